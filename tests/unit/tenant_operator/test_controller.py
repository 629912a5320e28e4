"""Tests of the controller: events lead to reconciles of the newest state."""

from typing import Any, cast

import pytest
from tenancy.model import Tenant
from tenancy.names import DEFAULT_TENANT_CLASS
from tenant_operator.conditions import Failure
from tenant_operator.controller import Controller
from tenant_operator.metrics import READY_SECONDS
from tenant_operator.reconcile import Outcome, Reconciler
from tenant_operator.tenant_store import TenantStore
from tenant_operator.work_queue import BackoffPolicy

from tests.support.tenants.manifests import make_tenant_manifest

FAILED = Outcome(Failure("S3Unavailable", "s3 is unavailable", permanent=False))


class FakeReconciler:
    """Reconciler that records its calls; ``orphan_outcome`` is the result of a clean-up."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.outcome = Outcome()
        self.orphan_outcome = Outcome()

    async def reconcile(self, tenant: Tenant) -> Outcome:
        self.calls.append(f"reconcile {tenant.uid}")
        return self.outcome

    async def finalize_orphan(self, tenant: Tenant, successor: Tenant | None) -> Outcome:
        self.calls.append(f"finalize {tenant.uid}, successor {successor.uid if successor else None}")
        return self.orphan_outcome


class ControllerHarness:
    """Controller with a fake reconciler, and a listener that records names."""

    def __init__(self) -> None:
        self.reconciler = FakeReconciler()
        self.tenants = TenantStore(DEFAULT_TENANT_CLASS)
        self.notified: list[str] = []
        backoff = BackoffPolicy(1, 60, 300)
        self.controller = Controller(self.tenants, cast("Reconciler", self.reconciler), backoff, 1)
        self.controller.add_listener(self.notified.append)

    @property
    def enqueued(self) -> list[str]:
        queue = self.controller._queue
        return [*queue._urgent, *queue._waiting]


@pytest.fixture
def harness() -> ControllerHarness:
    return ControllerHarness()


def make_body(name: str, uid: str = "", *, held: bool = True, **spec: Any) -> dict[str, Any]:
    manifest = make_tenant_manifest(name, **spec)
    manifest["metadata"] |= {"uid": uid or f"uid-{name}", "generation": 1}
    if held:
        manifest["metadata"]["finalizers"] = ["tenantry.io/operator"]
    return manifest


async def test_tenants_that_exist_at_start_are_enqueued_without_notice(harness: ControllerHarness) -> None:
    harness.controller.load([make_body("a"), make_body("b")])
    assert harness.enqueued == ["a", "b"]
    assert harness.notified == []


async def test_only_the_changed_tenant_is_urgent(harness: ControllerHarness) -> None:
    same = {"emails": ["*@same.example"]}
    harness.controller.load([make_body("a", identity=same), make_body("other")])
    harness.controller.handle_event(make_body("b", held=False, identity=same))
    assert harness.enqueued == ["b", "a", "other"]
    assert list(harness.controller._queue._urgent) == ["b"]
    assert harness.notified == ["b", "a"]


async def test_an_event_without_effect_notifies_no_listener(harness: ControllerHarness) -> None:
    harness.controller.load([make_body("a")])
    harness.controller.handle_event(make_body("a"))
    assert harness.notified == []


async def test_an_absent_tenant_needs_no_reconcile(harness: ControllerHarness) -> None:
    assert await harness.controller.reconcile("absent") == Outcome()
    assert harness.reconciler.calls == []


async def test_an_orphan_is_finalized_before_its_successor(harness: ControllerHarness) -> None:
    harness.controller.load([make_body("a", "first")])
    harness.controller.handle_event(make_body("a", "second"))
    assert await harness.controller.reconcile("a") == Outcome()
    assert harness.reconciler.calls == ["finalize first, successor second", "reconcile second"]
    assert harness.tenants.get_orphan("a") is None


async def test_a_failed_clean_up_of_an_orphan_delays_the_successor(harness: ControllerHarness) -> None:
    harness.controller.load([make_body("a", "first")])
    harness.controller.handle_event(make_body("a", "second"))
    harness.reconciler.orphan_outcome = FAILED
    assert await harness.controller.reconcile("a") == FAILED
    assert harness.reconciler.calls == ["finalize first, successor second"]
    assert harness.tenants.get_orphan("a")


@pytest.mark.parametrize(
    ("status", "outcome", "observed"),
    [({}, Outcome(), 1), ({"observedGeneration": 1}, Outcome(), 0), ({}, FAILED, 0)],
    ids=["first-success", "later-success", "failure"],
)
async def test_the_time_until_ready_is_observed_once(
    status: dict[str, Any], outcome: Outcome, observed: int, harness: ControllerHarness
) -> None:
    manifest = make_body("a") | {"status": status}
    manifest["metadata"]["creationTimestamp"] = "2026-11-30T00:00:00Z"
    harness.controller.load([manifest])
    harness.reconciler.outcome = outcome
    before = _count_observations()
    await harness.controller.reconcile("a")
    assert _count_observations() - before == observed


def _count_observations() -> float:
    (metric,) = READY_SECONDS.collect()
    return next(sample.value for sample in metric.samples if sample.name.endswith("_count"))
