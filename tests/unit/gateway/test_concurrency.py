"""So many at once, so many waiting, and whoever comes then is told to come back."""

import asyncio
import itertools
from contextlib import AsyncExitStack

import pytest
from gateway.concurrency import Lane
from gateway.problems import Overloaded
from prometheus_client import REGISTRY

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    return f"lane{next(_numbers)}"


def under_way(name: str) -> float | None:
    return REGISTRY.get_sample_value("tenantry_gateway_requests_under_way", {"lane": name})


async def test_no_more_are_served_at_once_than_there_are_places(name: str) -> None:
    lane, inside, most = Lane(name, at_once=2, waiting=10, seconds=5), 0, 0

    async def serve() -> None:
        nonlocal inside, most
        async with lane.place():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(serve() for _ in range(10)))
    assert most == 2
    assert under_way(name) == 0


async def test_who_finds_the_queue_full_is_told_at_once(name: str) -> None:
    lane = Lane(name, at_once=1, waiting=1, seconds=60)
    async with lane.place():
        waiting = asyncio.create_task(_pass(lane))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="waiting already"):
            await _pass(lane)
        assert under_way(name) == 1
    await waiting
    assert REGISTRY.get_sample_value("tenantry_gateway_shed_total", {"lane": name}) == 1


async def test_nobody_waits_for_ever_and_who_gave_up_takes_no_place(name: str) -> None:
    lane = Lane(name, at_once=1, waiting=1, seconds=0.01)
    async with lane.place():
        with pytest.raises(Overloaded, match=r"no room for the request for 0\.01 s"):
            await _pass(lane)
        with pytest.raises(Overloaded, match="no room"):
            await _pass(lane)
    await _pass(lane)


async def test_a_place_becomes_free_however_the_request_ends(name: str) -> None:
    lane = Lane(name, at_once=1, waiting=0, seconds=1)
    with pytest.raises(KeyError):
        async with lane.place():
            raise KeyError
    await _pass(lane)


async def test_one_tenant_leaves_places_to_the_others(name: str) -> None:
    lane = Lane(name, at_once=2, waiting=10, seconds=0.01, share=1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lane.place("tenant-a"))
        with pytest.raises(Overloaded):
            await _pass(lane, "tenant-a")
        await _pass(lane, "tenant-b")


async def test_one_tenant_leaves_room_to_wait_to_the_others(name: str) -> None:
    lane = Lane(name, at_once=2, waiting=2, seconds=60, share=1)
    async with AsyncExitStack() as stack:
        for tenant in ("tenant-a", "tenant-b"):
            await stack.enter_async_context(lane.place(tenant))
        waiting = [asyncio.create_task(_pass(lane, "tenant-a"))]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="waiting already"):
            await _pass(lane, "tenant-a")
        waiting.append(asyncio.create_task(_pass(lane, "tenant-b")))
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting)


async def test_a_tenant_with_many_requests_does_not_delay_the_one_of_another(name: str) -> None:
    lane, order = Lane(name, at_once=2, waiting=20, seconds=60, share=2), list[str]()

    async def one(tenant: str) -> None:
        async with lane.place(tenant):
            order.append(tenant)
            await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(lane.place("tenant-a"))
        waiting = [asyncio.create_task(one("tenant-a")) for _ in range(8)]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(one("tenant-b")))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert "tenant-b" in order[:2]


async def _pass(lane: Lane, tenant_key: str = "") -> None:
    async with lane.place(tenant_key):
        pass
