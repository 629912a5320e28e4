"""The order of things, and what each failure does to the rest. Real systems: tests/integration/operator."""

from typing import Any

import pytest
from servicekit.errors import RemoteRefused, RemoteUnavailable
from tenancy.model import Tenant, TenantStatus
from tenant_operator.conditions import Verdict
from tenant_operator.erasure import Erasure
from tenant_operator.reconcile import Reconciler

from tests.support.operator import FakePart, FakeReceipts, FakeWriter, with_finalizer
from tests.support.tenants import make_tenant

NOW = "2026-11-23T10:00:00Z"
AWAY = RemoteUnavailable("s3", "get-tags", "away")
DENIED = RemoteRefused("s3", "get-tags", "denied")


class Stage:
    """A reconciler among fakes that all write into one log."""

    def __init__(self, **fails: Exception) -> None:
        self.log: list[str] = []
        self.parts = [FakePart(name, self.log, fails.get(name)) for name in ("storage", "identity", "quota")]
        self.writer = FakeWriter(self.log)
        self.conflict: str | None = None
        erasure = Erasure(self.parts, FakeReceipts(self.log), None, lambda: NOW)
        self.writing: Exception | None = None
        self.reconciler = Reconciler(
            self.parts, self.writer, self.finish_writes, erasure, lambda _: self.conflict, lambda: NOW,
            lambda _: self.log.append("note taken down"),
        )  # fmt: skip

    async def finish_writes(self, tenant: Tenant) -> None:
        self.log.append("finish writes")
        if self.writing:
            raise self.writing

    async def run(self, tenant: Tenant) -> str:
        self.log.clear()
        outcome = await self.reconciler.reconcile(tenant)
        return outcome.name

    def after(self, tenant: Tenant) -> Tenant:
        """Return the Tenant as the watch shows it after what was written."""
        return with_finalizer(tenant).model_copy(
            update={"status": TenantStatus.model_validate(self.writer.status)}
        )

    @property
    def conditions(self) -> dict[str, str]:
        return {c["type"]: c["status"] for c in self.writer.status["conditions"]}


async def test_the_finalizer_stands_before_anything_outside_is_touched() -> None:
    stage = Stage()
    assert await stage.run(make_tenant("acme")) == "ready"
    assert stage.log[0] == "add finalizer"
    assert stage.log[-1] == "write status"
    assert stage.conditions["Ready"] == "True"


async def test_nothing_is_made_for_a_tenant_that_has_gone_meanwhile() -> None:
    stage = Stage()
    stage.writer.gone = True
    await stage.run(make_tenant("acme"))
    assert stage.log == ["add finalizer"]


async def test_a_second_run_writes_nothing_at_all() -> None:
    stage = Stage()
    tenant = make_tenant("acme")
    await stage.run(tenant)
    await stage.run(stage.after(tenant))
    assert "write status" not in stage.log
    assert "add finalizer" not in stage.log
    assert stage.writer.events == [(False, "Ready", "Everything is as declared")]


async def test_a_part_that_fails_holds_nobody_up_and_is_named() -> None:
    stage = Stage(storage=AWAY)
    assert await stage.run(make_tenant("acme")) == "retrying"
    assert stage.parts[1].made
    assert stage.parts[2].made
    assert stage.conditions == {
        "Ready": "False", "Reconciling": "True", "Stalled": "False",
        "StorageReady": "False", "IdentityReady": "True", "QuotaReady": "True",
    }  # fmt: skip
    assert stage.writer.events == [(True, "S3Unavailable", str(AWAY))]


@pytest.mark.parametrize("fails", [None, AWAY], ids=["that-went-well", "that-failed"])
async def test_a_part_that_looks_at_anothers_work_goes_after_it(fails: Exception | None) -> None:
    stage = Stage(**({"identity": fails} if fails else {}))
    late = FakePart("workspace", stage.log, after="identity")
    stage.parts.append(late)
    await stage.run(make_tenant("acme"))
    looked = stage.log.index("observe workspace")
    assert looked > stage.log.index("observe identity" if fails else "ensure identity")
    assert late.made


async def test_what_a_part_says_of_itself_stands_in_its_condition_and_holds_nothing_up() -> None:
    stage = Stage()
    stage.parts[1].verdict = Verdict(status=False, reason="NotConfigured", message="there is none")
    assert await stage.run(make_tenant("acme")) == "ready"
    assert stage.conditions["Ready"] == "True"
    told = next(c for c in stage.writer.status["conditions"] if c["type"] == "IdentityReady")
    assert (told["status"], told["reason"], told["message"]) == ("False", "NotConfigured", "there is none")


async def test_what_failed_heals_by_the_next_run_and_an_event_tells() -> None:
    stage = Stage(storage=AWAY)
    tenant = make_tenant("acme")
    await stage.run(tenant)
    stage.parts[0].fails = None
    assert await stage.run(stage.after(tenant)) == "ready"
    assert stage.writer.events[-1][1] == "Ready"


async def test_a_refusal_stalls_and_a_passing_failure_beside_it_decides_about_the_retry() -> None:
    assert await Stage(storage=DENIED).run(make_tenant("acme")) == "stalled"
    assert await Stage(storage=DENIED, identity=AWAY).run(make_tenant("acme")) == "retrying"


async def test_a_bug_in_one_part_is_logged_and_tried_again() -> None:
    stage = Stage(storage=ZeroDivisionError())
    assert await stage.run(make_tenant("acme")) == "retrying"
    assert stage.parts[1].made
    reason = next(c["reason"] for c in stage.writer.status["conditions"] if c["type"] == "StorageReady")
    assert reason == "InternalError"


async def test_nothing_is_made_for_a_tenant_that_claims_an_older_ones_addresses() -> None:
    stage = Stage()
    stage.conflict = "somebody else's"
    assert await stage.run(make_tenant("acme")) == "stalled"
    assert stage.log == ["write status"]
    assert stage.writer.events == [(True, "EmailConflict", "somebody else's")]


async def test_an_event_that_cannot_be_recorded_spoils_nothing() -> None:
    stage = Stage()
    stage.writer.fails_events = RemoteUnavailable("kubernetes", "record-event", "away")
    assert await stage.run(make_tenant("acme")) == "ready"


def leaving(policy: str, **changes: Any) -> Tenant:
    return make_tenant("acme", deleting=True, prepared=False, deletionPolicy=policy, **changes)


async def test_retain_lets_go_of_copies_only() -> None:
    stage = Stage()
    await stage.run(with_finalizer(leaving("Retain")))
    assert sorted(stage.log[1:4]) == ["forget identity", "forget quota", "forget storage"]
    assert stage.log[4:] == ["note taken down", "remove finalizer"]


async def test_delete_lets_go_only_when_every_part_is_gone() -> None:
    stage = Stage()
    await stage.run(with_finalizer(leaving("Delete")))
    done = [entry for entry in stage.log if not entry.startswith("count")]
    assert done[0] == "finish writes"
    assert sorted(done[1:4]) == ["remove identity", "remove quota", "remove storage"]
    assert done[4:] == ["note taken down", "remove finalizer"]


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_part_that_cannot_let_go_keeps_the_tenant_and_is_named(policy: str) -> None:
    stage = Stage(storage=AWAY)
    assert await stage.run(with_finalizer(leaving(policy))) == "retrying"
    assert not {"note taken down", "remove finalizer"} & set(stage.log)
    assert stage.conditions["StorageReady"] == "False"
    reason = next(c["reason"] for c in stage.writer.status["conditions"] if c["type"] == "Reconciling")
    assert reason == "Deleting"


MADE = TenantStatus.model_validate({"quota": {"namespace": ""}})


@pytest.mark.parametrize(("policy", "verb"), [("Retain", "forget"), ("Delete", "remove")])
async def test_a_tenant_that_goes_without_its_finalizer_is_removed_all_the_same(
    policy: str, verb: str
) -> None:
    """Another's finalizer, or a deletion in the foreground, still holds it."""
    stage = Stage()
    await stage.run(leaving(policy).model_copy(update={"status": MADE}))
    done = [entry for entry in stage.log if not entry.startswith("count")]
    assert done[0] == "finish writes"
    assert sorted(done[1:4]) == [f"{verb} identity", f"{verb} quota", f"{verb} storage"]


@pytest.mark.parametrize(("policy", "verb"), [("Retain", "forget"), ("Delete", "remove")])
async def test_after_a_tenant_that_vanished_is_done_what_its_policy_says(policy: str, verb: str) -> None:
    stage = Stage()
    outcome = await stage.reconciler.clean_up(make_tenant("acme", deletionPolicy=policy), successor=None)
    assert outcome.name == "ready"
    done = [entry for entry in stage.log if not entry.startswith("count")]
    assert done[0] == "finish writes"
    assert sorted(done[1:]) == [f"{verb} identity", f"{verb} quota", f"{verb} storage"]


async def test_what_cannot_be_removed_after_a_tenant_that_vanished_is_tried_again() -> None:
    stage = Stage(storage=AWAY)
    outcome = await stage.reconciler.clean_up(make_tenant("acme", deletionPolicy="Delete"), successor=None)
    assert outcome.name == "retrying"


async def test_nothing_is_removed_after_a_tenant_that_has_a_successor_and_an_event_names_it() -> None:
    """What is stored under the name may be the successor's by now."""
    stage = Stage()
    gone = make_tenant("acme", deletionPolicy="Delete")
    assert (await stage.reconciler.clean_up(gone, successor=make_tenant("acme"))).name == "ready"
    assert stage.log == []
    ((warning, reason, note),) = stage.writer.events
    assert (warning, reason) == (True, "EarlierTenantLeft")
    assert "uid-acme" in note


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_tenant_that_we_never_held_is_let_go_untouched(policy: str) -> None:
    stage = Stage()
    await stage.run(leaving(policy))
    assert stage.log == []


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_nothing_is_removed_while_somebody_still_writes(policy: str) -> None:
    stage = Stage()
    tenant = with_finalizer(make_tenant("acme", deleting=True, deletionPolicy=policy))
    stage.writing = RemoteUnavailable("redis", "drain-writes", "uploads are under way")
    assert await stage.run(tenant) == "retrying"
    assert stage.log == ["finish writes", "write status"]
    assert stage.conditions["Ready"] == "False"
    stage.writing = None
    assert await stage.run(tenant) == "ready"
    assert stage.log[0] == "finish writes"
    assert stage.log[-1] == "remove finalizer"


async def test_after_a_tenant_that_vanished_nothing_is_removed_while_somebody_still_writes() -> None:
    stage = Stage()
    stage.writing = RemoteUnavailable("redis", "drain-writes", "uploads are under way")
    outcome = await stage.reconciler.clean_up(make_tenant("acme", deletionPolicy="Delete"), successor=None)
    assert outcome.name == "retrying"
    assert stage.log == ["finish writes"]
