"""Tests of the concurrency limiter."""

import asyncio
import itertools
from contextlib import AsyncExitStack

import pytest
from gateway.concurrency import ConcurrencyLimiter
from gateway.problems import Overloaded
from prometheus_client import REGISTRY

_numbers = itertools.count()


@pytest.fixture
def limiter_name() -> str:
    return f"limiter{next(_numbers)}"


def count_in_progress(limiter_name: str) -> float | None:
    return REGISTRY.get_sample_value("tenantry_gateway_requests_in_progress", {"limiter": limiter_name})


async def test_concurrent_requests_do_not_exceed_the_slots(limiter_name: str) -> None:
    limiter, inside, max_inside = (
        ConcurrencyLimiter(limiter_name, max_concurrent=2, max_waiting=10, wait_seconds=5),
        0,
        0,
    )

    async def serve() -> None:
        nonlocal inside, max_inside
        async with limiter.acquire():
            inside += 1
            max_inside = max(max_inside, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(serve() for _ in range(10)))
    assert max_inside == 2
    assert count_in_progress(limiter_name) == 0


async def test_a_full_queue_rejects_immediately(limiter_name: str) -> None:
    limiter = ConcurrencyLimiter(limiter_name, max_concurrent=1, max_waiting=1, wait_seconds=60)
    async with limiter.acquire():
        waiting = asyncio.create_task(_acquire_once(limiter))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="waiting already"):
            await _acquire_once(limiter)
        assert count_in_progress(limiter_name) == 1
    await waiting
    assert REGISTRY.get_sample_value("tenantry_gateway_rejected_total", {"limiter": limiter_name}) == 1


async def test_a_request_that_waited_too_long_is_rejected_and_holds_no_slot(limiter_name: str) -> None:
    limiter = ConcurrencyLimiter(limiter_name, max_concurrent=1, max_waiting=1, wait_seconds=0.01)
    async with limiter.acquire():
        with pytest.raises(Overloaded, match=r"became free for the request within 0\.01 s"):
            await _acquire_once(limiter)
        with pytest.raises(Overloaded, match="became free"):
            await _acquire_once(limiter)
    await _acquire_once(limiter)


async def test_a_slot_is_released_after_a_failure(limiter_name: str) -> None:
    limiter = ConcurrencyLimiter(limiter_name, max_concurrent=1, max_waiting=0, wait_seconds=1)
    with pytest.raises(KeyError):
        async with limiter.acquire():
            raise KeyError
    await _acquire_once(limiter)


async def test_one_tenant_cannot_hold_all_slots(limiter_name: str) -> None:
    limiter = ConcurrencyLimiter(
        limiter_name, max_concurrent=2, max_waiting=10, wait_seconds=0.01, max_per_tenant=1
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(limiter.acquire("tenant-a"))
        with pytest.raises(Overloaded):
            await _acquire_once(limiter, "tenant-a")
        await _acquire_once(limiter, "tenant-b")


async def test_one_tenant_cannot_fill_the_queue(limiter_name: str) -> None:
    limiter = ConcurrencyLimiter(
        limiter_name, max_concurrent=2, max_waiting=2, wait_seconds=60, max_per_tenant=1
    )
    async with AsyncExitStack() as stack:
        for tenant in ("tenant-a", "tenant-b"):
            await stack.enter_async_context(limiter.acquire(tenant))
        waiting = [asyncio.create_task(_acquire_once(limiter, "tenant-a"))]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="waiting already"):
            await _acquire_once(limiter, "tenant-a")
        waiting.append(asyncio.create_task(_acquire_once(limiter, "tenant-b")))
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
    await asyncio.gather(*waiting)


async def test_slots_are_granted_round_robin(limiter_name: str) -> None:
    limiter, order = (
        ConcurrencyLimiter(limiter_name, max_concurrent=2, max_waiting=20, wait_seconds=60, max_per_tenant=2),
        list[str](),
    )

    async def serve_one(tenant: str) -> None:
        async with limiter.acquire(tenant):
            order.append(tenant)
            await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(limiter.acquire("tenant-a"))
        waiting = [asyncio.create_task(serve_one("tenant-a")) for _ in range(8)]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(serve_one("tenant-b")))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert "tenant-b" in order[:2]


async def _acquire_once(limiter: ConcurrencyLimiter, tenant_key: str = "") -> None:
    async with limiter.acquire(tenant_key):
        pass
