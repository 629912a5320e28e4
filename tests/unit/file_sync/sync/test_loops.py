"""Tests of the leader's loops, in simulated time and with fakes."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest
from file_sync.metrics import HELD_DELETIONS
from file_sync.models import Link
from file_sync.planner.models import Plan, PlanConfig
from file_sync.planner.persona_index import PersonaIndexCache
from file_sync.settings import FileSyncSettings
from file_sync.sync.backoff import BackoffGate
from file_sync.sync.loops import SyncLoops
from file_sync.sync.tenant_sync import SyncResult, TenantSync
from file_sync.sync.upload_tracker import UploadTracker
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant

from tests.support.file_sync.files import make_knowledge_link, make_tenant_with_workspace
from tests.support.timing.clock import simulate

if TYPE_CHECKING:
    from file_sync.adapters.open_webui_database import OpenWebUIDatabase
    from tenancy.registry import TenantRegistry


class LoopHarness:
    """Fake registry, database and tenant sync, which record the polls and syncs."""

    def __init__(self, *tenants: Tenant) -> None:
        self.tenants = {tenant.id: tenant for tenant in tenants}
        self.fingerprints: dict[Link, str] = {}
        self.polls: list[float] = []
        self.synced: list[tuple[float, str]] = []
        self.configs: dict[str, PlanConfig] = {}
        self.is_down = False
        self.failing: set[str] = set()
        self.indexing: set[str] = set()
        self.blocked_deletions: dict[str, int] = {}
        self.backoff = BackoffGate()
        self.uploads = UploadTracker()
        self.plan_seconds = 0.0
        self.planning = 0
        self.most_planning = 0

    # TenantRegistry
    def list_tenants(self) -> list[Tenant]:
        return list(self.tenants.values())

    def get(self, tenant_id: str) -> Tenant | None:
        return self.tenants.get(tenant_id)

    async def wait_synced(self) -> None:
        pass

    # OpenWebUIDatabase
    async def read_fingerprints(self) -> dict[Link, str]:
        self.polls.append(asyncio.get_running_loop().time())
        if self.is_down:
            raise BackendUnavailable("open-webui-db", "poll", "it is down")
        return dict(self.fingerprints)

    # TenantSync
    async def run(
        self,
        tenant: Tenant,
        personas: Any,
        config: PlanConfig,
        *,
        slots: asyncio.Semaphore,
        may_continue: Callable[[], bool],
    ) -> SyncResult:
        async with slots:
            self.planning += 1
            self.most_planning = max(self.most_planning, self.planning)
            await asyncio.sleep(self.plan_seconds)
            self.planning -= 1
        self.synced.append((asyncio.get_running_loop().time(), tenant.id))
        self.configs[tenant.id] = config
        while tenant.id in self.indexing and may_continue():  # noqa: ASYNC110 (as long as there is work)
            await asyncio.sleep(0.1)
        if tenant.id in self.failing:
            raise ValueError("a bug")
        return SyncResult(Plan(blocked_deletions=self.blocked_deletions.get(tenant.id, 0)))

    def close(self) -> None:
        pass

    def make_loops(self, **settings: Any) -> SyncLoops:
        registry = cast("TenantRegistry", self)
        values = {
            "poll_interval_seconds": 10.0,
            "full_sync_interval_seconds": 900.0,
            "document_bytes": 100,
            "files_bucket": "files",
            **settings,
        }
        return SyncLoops(
            FileSyncSettings.model_construct(**values),
            database=cast("OpenWebUIDatabase", self),
            registry=registry,
            personas=PersonaIndexCache(registry),
            tenant_sync=cast("TenantSync", self),
        )

    def simulate(self, *events: tuple[float, Any], until: float, **settings: Any) -> None:
        """Run the loops until a time, and call each event at its time."""

        async def run_scenario() -> None:
            loops = self.make_loops(**settings)
            running = asyncio.create_task(loops.run())
            for at, event in events:
                await asyncio.sleep(at - asyncio.get_running_loop().time())
                event(loops)
            await asyncio.sleep(until - asyncio.get_running_loop().time())
            running.cancel()
            await asyncio.wait([running])

        simulate(run_scenario())

    def list_times(self, tenant_id: str) -> list[float]:
        return [round(at) for at, each in self.synced if each == tenant_id]


@pytest.fixture
def harness() -> LoopHarness:
    return LoopHarness(make_tenant_with_workspace("a"), make_tenant_with_workspace("b"))


def test_all_tenants_are_synced_first_and_then_a_changed_tenant_at_the_next_poll(
    harness: LoopHarness,
) -> None:
    change = {make_knowledge_link(tenant_id="b"): "1"}
    harness.simulate((15, lambda _: harness.fingerprints.update(change)), until=100)
    assert harness.list_times("a") == [0]
    assert harness.list_times("b") == [0, 20]
    assert set(harness.configs.values()) == {PlanConfig(100, "files")}


def test_new_files_of_a_tenant_do_not_wait_for_all_old_files(harness: LoopHarness) -> None:
    harness.indexing = {"a"}
    change = {make_knowledge_link(tenant_id="a"): "1"}
    harness.simulate((15, lambda _: harness.fingerprints.update(change)), until=100)
    assert harness.list_times("a") == [0, 20]


def test_some_files_are_indexed_in_each_run_while_others_arrive(harness: LoopHarness) -> None:
    harness.indexing = {"a"}

    def add_file(loops: SyncLoops) -> None:
        harness.fingerprints[make_knowledge_link(tenant_id="a")] = str(len(harness.polls))
        loops.wake()

    harness.simulate(*((10 + number / 4, add_file) for number in range(40)), until=18)
    times = [at for at, tenant_id in harness.synced if tenant_id == "a" and at > 11]
    assert min(after - before for before, after in pairwise(times)) >= 2


def test_a_deleted_file_is_a_change(harness: LoopHarness) -> None:
    harness.fingerprints = {make_knowledge_link(tenant_id="a"): "1"}
    harness.simulate((15, lambda _: harness.fingerprints.clear()), until=100)
    assert harness.list_times("a") == [0, 20]


def test_a_thousand_hints_start_one_immediate_poll_and_two_more(harness: LoopHarness) -> None:
    def send_hints(loops: SyncLoops) -> None:
        for _ in range(1000):
            loops.wake()

    harness.simulate((33, send_hints), until=39)
    assert [round(at, 1) for at in harness.polls if 31 < at < 39] == [33.0, 34.2, 36.4]


def test_all_tenants_are_synced_at_each_full_sync(harness: LoopHarness) -> None:
    harness.simulate(until=2000)
    assert harness.list_times("a") == [0, 900, 1800]


def test_a_change_of_the_tenants_spec_is_a_change(harness: LoopHarness) -> None:
    def raise_quota(_: SyncLoops) -> None:
        changed = harness.tenants["a"]
        metadata = changed.metadata.model_copy(update={"generation": 2})
        harness.tenants["a"] = changed.model_copy(update={"metadata": metadata})

    harness.simulate((15, raise_quota), until=100)
    assert harness.list_times("a") == [0, 20]


def test_suspended_and_deleted_tenants_are_not_synced() -> None:
    harness = LoopHarness(make_tenant_with_workspace("a", suspended=True), make_tenant_with_workspace("b"))
    deleting = harness.tenants["b"].metadata.model_copy(update={"deletion_timestamp": "2026-11-24T00:00:00Z"})
    harness.tenants["b"] = harness.tenants["b"].model_copy(update={"metadata": deleting})
    harness.simulate(until=2000)
    assert harness.synced == []


def test_after_an_outage_of_the_database_no_change_is_lost(harness: LoopHarness) -> None:
    def stop(_: SyncLoops) -> None:
        harness.is_down = True
        harness.fingerprints[make_knowledge_link(tenant_id="a")] = "1"

    def start(_: SyncLoops) -> None:
        harness.is_down = False

    harness.simulate((15, stop), (55, start), until=100)
    assert harness.list_times("a") == [0, 61]
    assert harness.list_times("b") == [0]


def test_an_unexpected_error_of_one_tenant_is_retried_and_stops_no_other(harness: LoopHarness) -> None:
    harness.failing = {"a"}
    change = {make_knowledge_link(tenant_id="b"): "1"}
    harness.simulate((15, lambda _: harness.fingerprints.update(change)), until=100)
    assert harness.list_times("b") == [0, 20]
    assert 3 <= len(harness.list_times("a")) <= 8


def test_a_tenant_yields_to_waiting_tenants_after_its_time_slice(
    harness: LoopHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("file_sync.sync.loops.TENANT_CONCURRENCY", 1)
    harness.indexing = {"a"}
    harness.simulate(until=60)
    assert harness.list_times("b") == [10]


def test_at_most_four_tenants_are_planned_while_more_are_synced() -> None:
    harness = LoopHarness(*(make_tenant_with_workspace(f"t{number}") for number in range(20)))
    harness.plan_seconds = 1.0
    harness.indexing = set(harness.tenants)
    harness.simulate(until=9)
    assert harness.most_planning == 4
    assert len(harness.synced) == 20


def test_results_of_tenants_count_until_the_tenant_is_deleted(harness: LoopHarness) -> None:
    harness.blocked_deletions = {"a": 2, "b": 3}
    counts = []

    def observe(_: SyncLoops) -> None:
        counts.append(HELD_DELETIONS._value.get())

    harness.simulate((5, observe), (15, lambda _: harness.tenants.pop("b")), (25, observe), until=30)
    assert counts == [5, 2]
