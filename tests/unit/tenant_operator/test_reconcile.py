"""Tests of the reconcile with fake parts: the order of steps, and the effect of each failure."""

from typing import Any

import pytest
from servicekit.errors import BackendRefused, BackendUnavailable
from tenancy.model import Tenant, TenantStatus
from tenant_operator.conditions import ConditionResult
from tenant_operator.erasure import Erasure
from tenant_operator.reconcile import Reconciler

from tests.support.fakes.operator_parts import FakePart, FakeReceipts, FakeWriter, add_finalizer
from tests.support.tenants.manifests import make_tenant

NOW = "2026-11-23T10:00:00Z"
UNAVAILABLE = BackendUnavailable("s3", "get-tags", "unavailable")
DENIED = BackendRefused("s3", "get-tags", "denied")


class ReconcileHarness:
    """Reconciler with fakes that all write to one log."""

    def __init__(self, **fails: Exception) -> None:
        self.log: list[str] = []
        names = ("storage", "identity", "quota")
        self.parts = [FakePart(name, self.log, fails.get(name)) for name in names]
        self.writer = FakeWriter(self.log)
        self.conflict: str | None = None
        erasure = Erasure(self.parts, [], FakeReceipts(self.log), None, lambda: NOW)
        self.writing: Exception | None = None
        self.reconciler = Reconciler(
            self.parts, self.writer, self.finish_writes, erasure, lambda _: self.conflict, lambda: NOW,
            lambda _: self.log.append("mark finalized"),
        )  # fmt: skip

    async def finish_writes(self, tenant: Tenant) -> None:
        self.log.append("finish writes")
        if self.writing:
            raise self.writing

    async def run(self, tenant: Tenant) -> str:
        self.log.clear()
        outcome = await self.reconciler.reconcile(tenant)
        return outcome.name

    def apply_writes(self, tenant: Tenant) -> Tenant:
        """Return the Tenant with the recorded writes, as the watch would deliver it."""
        return add_finalizer(tenant).model_copy(
            update={"status": TenantStatus.model_validate(self.writer.status)}
        )

    @property
    def conditions(self) -> dict[str, str]:
        return {c["type"]: c["status"] for c in self.writer.status["conditions"]}


async def test_the_finalizer_is_added_before_any_external_write() -> None:
    harness = ReconcileHarness()
    assert await harness.run(make_tenant("acme")) == "ready"
    assert harness.log[0] == "add finalizer"
    assert harness.log[-1] == "write status"
    assert harness.conditions["Ready"] == "True"


async def test_nothing_is_created_for_a_deleted_tenant() -> None:
    harness = ReconcileHarness()
    harness.writer.gone = True
    await harness.run(make_tenant("acme"))
    assert harness.log == ["add finalizer"]


async def test_a_second_run_writes_nothing() -> None:
    harness = ReconcileHarness()
    tenant = make_tenant("acme")
    await harness.run(tenant)
    await harness.run(harness.apply_writes(tenant))
    assert "write status" not in harness.log
    assert "add finalizer" not in harness.log
    assert harness.writer.events == [(False, "Ready", "Everything is as declared")]


async def test_a_failed_part_does_not_stop_the_others() -> None:
    harness = ReconcileHarness(storage=UNAVAILABLE)
    assert await harness.run(make_tenant("acme")) == "retrying"
    assert harness.parts[1].made
    assert harness.parts[2].made
    assert harness.conditions == {
        "Ready": "False", "Reconciling": "True", "Stalled": "False",
        "StorageReady": "False", "IdentityReady": "True", "QuotaReady": "True",
    }  # fmt: skip
    assert harness.writer.events == [(True, "S3Unavailable", str(UNAVAILABLE))]


@pytest.mark.parametrize("fails", [None, UNAVAILABLE], ids=["succeeded", "failed"])
async def test_a_part_runs_after_the_part_that_it_names(fails: Exception | None) -> None:
    harness = ReconcileHarness(**({"identity": fails} if fails else {}))
    late = FakePart("workspace", harness.log, after="identity")
    harness.parts.append(late)
    await harness.run(make_tenant("acme"))
    observed = harness.log.index("observe workspace")
    assert observed > harness.log.index("observe identity" if fails else "ensure identity")
    assert late.made


async def test_a_condition_of_a_part_does_not_affect_ready() -> None:
    harness = ReconcileHarness()
    harness.parts[1].condition = ConditionResult(status=False, reason="Partial", message="some are missing")
    assert await harness.run(make_tenant("acme")) == "ready"
    assert harness.conditions["Ready"] == "True"
    condition = next(c for c in harness.writer.status["conditions"] if c["type"] == "IdentityReady")
    assert (condition["status"], condition["reason"], condition["message"]) == (
        "False",
        "Partial",
        "some are missing",
    )


async def test_a_recovered_part_is_ready_after_the_next_run_with_an_event() -> None:
    harness = ReconcileHarness(storage=UNAVAILABLE)
    tenant = make_tenant("acme")
    await harness.run(tenant)
    harness.parts[0].fails = None
    assert await harness.run(harness.apply_writes(tenant)) == "ready"
    assert harness.writer.events[-1][1] == "Ready"


async def test_a_refusal_stalls_unless_another_part_has_a_transient_failure() -> None:
    assert await ReconcileHarness(storage=DENIED).run(make_tenant("acme")) == "stalled"
    assert await ReconcileHarness(storage=DENIED, identity=UNAVAILABLE).run(make_tenant("acme")) == "retrying"


async def test_a_bug_in_one_part_is_logged_and_retried() -> None:
    harness = ReconcileHarness(storage=ZeroDivisionError())
    assert await harness.run(make_tenant("acme")) == "retrying"
    assert harness.parts[1].made
    reason = next(c["reason"] for c in harness.writer.status["conditions"] if c["type"] == "StorageReady")
    assert reason == "InternalError"


async def test_nothing_is_created_for_a_tenant_with_the_addresses_of_an_older_tenant() -> None:
    harness = ReconcileHarness()
    harness.conflict = "claimed by another Tenant"
    assert await harness.run(make_tenant("acme")) == "stalled"
    assert harness.log == ["write status"]
    assert harness.writer.events == [(True, "EmailConflict", "claimed by another Tenant")]


async def test_a_failed_event_does_not_fail_the_reconcile() -> None:
    harness = ReconcileHarness()
    harness.writer.fails_events = BackendUnavailable("kubernetes", "record-event", "unavailable")
    assert await harness.run(make_tenant("acme")) == "ready"


def make_deleted_tenant(policy: str, **changes: Any) -> Tenant:
    return make_tenant("acme", deleting=True, prepared=False, deletionPolicy=policy, **changes)


async def test_retain_releases_every_part() -> None:
    harness = ReconcileHarness()
    await harness.run(add_finalizer(make_deleted_tenant("Retain")))
    assert sorted(harness.log[1:4]) == ["release identity", "release quota", "release storage"]
    assert harness.log[4:] == ["mark finalized", "remove finalizer"]


async def test_delete_removes_every_part_before_the_finalizer() -> None:
    harness = ReconcileHarness()
    await harness.run(add_finalizer(make_deleted_tenant("Delete")))
    done = [entry for entry in harness.log if not entry.startswith("count")]
    assert done[0] == "finish writes"
    assert sorted(done[1:4]) == ["remove identity", "remove quota", "remove storage"]
    assert done[4:] == ["mark finalized", "remove finalizer"]


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_part_that_cannot_be_cleaned_up_keeps_the_tenant(policy: str) -> None:
    harness = ReconcileHarness(storage=UNAVAILABLE)
    assert await harness.run(add_finalizer(make_deleted_tenant(policy))) == "retrying"
    assert not {"mark finalized", "remove finalizer"} & set(harness.log)
    assert harness.conditions["StorageReady"] == "False"
    reason = next(c["reason"] for c in harness.writer.status["conditions"] if c["type"] == "Reconciling")
    assert reason == "Deleting"


MADE = TenantStatus.model_validate({"quota": {"namespace": ""}})


@pytest.mark.parametrize(("policy", "verb"), [("Retain", "release"), ("Delete", "remove")])
async def test_a_tenant_in_deletion_without_its_finalizer_is_cleaned_up(policy: str, verb: str) -> None:
    """Another controller's finalizer, or a foreground deletion, delays the end of the deletion."""
    harness = ReconcileHarness()
    await harness.run(make_deleted_tenant(policy).model_copy(update={"status": MADE}))
    done = [entry for entry in harness.log if not entry.startswith("count")]
    assert done[0] == "finish writes"
    assert sorted(done[1:4]) == [f"{verb} identity", f"{verb} quota", f"{verb} storage"]


@pytest.mark.parametrize(("policy", "verb"), [("Retain", "release"), ("Delete", "remove")])
async def test_an_orphan_is_cleaned_up_by_its_policy(policy: str, verb: str) -> None:
    harness = ReconcileHarness()
    outcome = await harness.reconciler.finalize_orphan(
        make_tenant("acme", deletionPolicy=policy), successor=None
    )
    assert outcome.name == "ready"
    done = [entry for entry in harness.log if not entry.startswith("count")]
    assert done[0] == "finish writes"
    assert sorted(done[1:]) == [f"{verb} identity", f"{verb} quota", f"{verb} storage"]


async def test_a_failed_clean_up_of_an_orphan_is_retried() -> None:
    harness = ReconcileHarness(storage=UNAVAILABLE)
    outcome = await harness.reconciler.finalize_orphan(
        make_tenant("acme", deletionPolicy="Delete"), successor=None
    )
    assert outcome.name == "retrying"


async def test_an_orphan_with_a_successor_is_reported_and_not_removed() -> None:
    """Data under the name may belong to the successor."""
    harness = ReconcileHarness()
    gone = make_tenant("acme", deletionPolicy="Delete")
    assert (await harness.reconciler.finalize_orphan(gone, successor=make_tenant("acme"))).name == "ready"
    assert harness.log == []
    ((warning, reason, note),) = harness.writer.events
    assert (warning, reason) == (True, "EarlierTenantLeft")
    assert "uid-acme" in note


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_deleted_tenant_without_data_needs_no_clean_up(policy: str) -> None:
    harness = ReconcileHarness()
    await harness.run(make_deleted_tenant(policy))
    assert harness.log == []


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_nothing_is_removed_while_writes_are_running(policy: str) -> None:
    harness = ReconcileHarness()
    tenant = add_finalizer(make_tenant("acme", deleting=True, deletionPolicy=policy))
    harness.writing = BackendUnavailable("redis", "drain-writes", "uploads are running")
    assert await harness.run(tenant) == "retrying"
    assert harness.log == ["finish writes", "write status"]
    assert harness.conditions["Ready"] == "False"
    harness.writing = None
    assert await harness.run(tenant) == "ready"
    assert harness.log[0] == "finish writes"
    assert harness.log[-1] == "remove finalizer"


async def test_nothing_of_an_orphan_is_removed_while_writes_are_running() -> None:
    harness = ReconcileHarness()
    harness.writing = BackendUnavailable("redis", "drain-writes", "uploads are running")
    outcome = await harness.reconciler.finalize_orphan(
        make_tenant("acme", deletionPolicy="Delete"), successor=None
    )
    assert outcome.name == "retrying"
    assert harness.log == ["finish writes"]
