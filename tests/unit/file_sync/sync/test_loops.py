"""The loop that leads: what it looks at, when, and what it survives. In simulated time, with fakes."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest
from file_sync.models import Link
from file_sync.planner.persona_cache import Atlas
from file_sync.planner.plan import Plan, Rules
from file_sync.settings import Settings
from file_sync.sync.backoff import Door
from file_sync.sync.loops import Sync
from file_sync.sync.tenant_sync import Work, Worked
from servicekit.errors import RemoteUnavailable
from tenancy.model import Tenant

from tests.support.clock import simulate
from tests.support.files_of_open_webui import tenant_with, within

if TYPE_CHECKING:
    from file_sync.adapters.source import Source
    from tenancy.registry import TenantRegistry


class World:
    """Tenants, fingerprints, and what was compared when."""

    def __init__(self, *tenants: Tenant) -> None:
        self.tenants = {tenant.id: tenant for tenant in tenants}
        self.prints: dict[Link, str] = {}
        self.polls: list[float] = []
        self.compared: list[tuple[float, str]] = []
        self.rules: dict[str, Rules] = {}
        self.away = False
        self.fails: set[str] = set()
        self.indexing: set[str] = set()
        self.door = Door()

    # what the registry says
    def all(self) -> list[Tenant]:
        return list(self.tenants.values())

    def get(self, tenant_id: str) -> Tenant | None:
        return self.tenants.get(tenant_id)

    async def wait_synced(self) -> None:
        pass

    # what the database says
    async def fingerprints(self) -> dict[Link, str]:
        self.polls.append(asyncio.get_running_loop().time())
        if self.away:
            raise RemoteUnavailable("open-webui-db", "poll", "it is away")
        return dict(self.prints)

    # what is done
    async def run(
        self, tenant: Tenant, places: Any, rules: Rules, may_go_on: Callable[[], bool], **_: Any
    ) -> Worked:
        self.compared.append((asyncio.get_running_loop().time(), tenant.id))
        self.rules[tenant.id] = rules
        while tenant.id in self.indexing and may_go_on():  # noqa: ASYNC110 (as long as there is work)
            await asyncio.sleep(0.1)
        if tenant.id in self.fails:
            raise ValueError("a fault of ours")
        return Worked(Plan())

    def let_go(self) -> None:
        pass

    def sync(self, **settings: Any) -> Sync:
        registry = cast("TenantRegistry", self)
        values = {
            "poll_seconds": 10.0,
            "full_seconds": 900.0,
            "document_bytes": 100,
            "files_bucket": "files",
            **settings,
        }
        return Sync(
            Settings.model_construct(**values),
            source=cast("Source", self),
            registry=registry,
            atlas=Atlas(registry),
            work=cast("Work", self),
        )

    def watch(self, *events: tuple[float, Any], until: float, **settings: Any) -> None:
        """Let it lead until a time, while things happen at theirs."""

        async def scenario() -> None:
            sync = self.sync(**settings)
            leading = asyncio.create_task(sync.lead())
            for at, event in events:
                await asyncio.sleep(at - asyncio.get_running_loop().time())
                event(sync)
            await asyncio.sleep(until - asyncio.get_running_loop().time())
            leading.cancel()
            await asyncio.wait([leading])

        simulate(scenario())

    def times(self, tenant_id: str) -> list[float]:
        return [round(at) for at, each in self.compared if each == tenant_id]


@pytest.fixture
def world() -> World:
    return World(tenant_with("a"), tenant_with("b"))


def test_at_first_all_are_compared_then_who_changed_at_the_next_poll(world: World) -> None:
    world.watch((15, lambda _: world.prints.update({within(tenant_id="b"): "1"})), until=100)
    assert world.times("a") == [0]
    assert world.times("b") == [0, 20]


def test_new_files_of_a_tenant_do_not_wait_until_all_its_old_ones_are_indexed(world: World) -> None:
    world.indexing = {"a"}
    world.watch((15, lambda _: world.prints.update({within(tenant_id="a"): "1"})), until=100)
    assert world.times("a") == [0, 20]


def test_while_files_come_all_the_time_some_are_indexed_in_each_turn(world: World) -> None:
    world.indexing = {"a"}

    def come(sync: Sync) -> None:
        world.prints[within(tenant_id="a")] = str(len(world.polls))
        sync.hint()

    world.watch(*((10 + number / 4, come) for number in range(40)), until=18)
    times = [at for at, tenant_id in world.compared if tenant_id == "a" and at > 11]
    assert min(after - before for before, after in pairwise(times)) >= 2


def test_a_file_that_is_gone_is_a_change_too(world: World) -> None:
    world.prints = {within(tenant_id="a"): "1"}
    world.watch((15, lambda _: world.prints.clear()), until=100)
    assert world.times("a") == [0, 20]


def test_a_hint_is_a_look_at_once_and_two_more_and_a_thousand_hints_are_not_more(world: World) -> None:
    def hints(sync: Sync) -> None:
        for _ in range(1000):
            sync.hint()

    world.watch((33, hints), until=39)
    assert [round(at, 1) for at in world.polls if 31 < at < 39] == [33.0, 34.2, 36.4]


def test_everybody_is_compared_from_time_to_time(world: World) -> None:
    world.watch(until=2000)
    assert world.times("a") == [0, 900, 1800]


def test_what_the_tenant_allows_is_a_change(world: World) -> None:
    def raise_quota(_: Sync) -> None:
        changed = world.tenants["a"]
        metadata = changed.metadata.model_copy(update={"generation": 2})
        world.tenants["a"] = changed.model_copy(update={"metadata": metadata})

    world.watch((15, raise_quota), until=100)
    assert world.times("a") == [0, 20]


def test_for_a_suspended_tenant_and_for_one_on_its_way_out_nothing_is_done() -> None:
    world = World(tenant_with("a", suspended=True), tenant_with("b"))
    deleting = world.tenants["b"].metadata.model_copy(update={"deletion_timestamp": "2026-11-24T00:00:00Z"})
    world.tenants["b"] = world.tenants["b"].model_copy(update={"metadata": deleting})
    world.watch(until=2000)
    assert world.compared == []


def test_a_database_that_is_away_is_asked_again_and_nothing_is_forgotten(world: World) -> None:
    def leave(_: Sync) -> None:
        world.away = True
        world.prints[within(tenant_id="a")] = "1"

    def come_back(_: Sync) -> None:
        world.away = False

    world.watch((15, leave), (55, come_back), until=100)
    assert world.times("a") == [0, 61]
    assert world.times("b") == [0]


def test_a_fault_of_ours_with_one_tenant_stops_nobody_else_and_it_is_tried_again(world: World) -> None:
    world.fails = {"a"}
    world.watch((15, lambda _: world.prints.update({within(tenant_id="b"): "1"})), until=100)
    assert world.times("b") == [0, 20]
    assert 3 <= len(world.times("a")) <= 8
