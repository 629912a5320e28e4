"""Tests of the fair semaphore in simulated time."""

import asyncio
import contextlib

from servicekit.fair_semaphore import FairSemaphore

from tests.support.timing.clock import simulate

A_SECOND = 1.0


async def hold_slot(semaphore: FairSemaphore, tenant_id: str, ends: dict[str, float]) -> None:
    async with semaphore.acquire(tenant_id):
        await asyncio.sleep(A_SECOND)
    ends[tenant_id] = asyncio.get_running_loop().time()


def test_many_waiters_of_one_tenant_do_not_delay_another_tenant() -> None:
    async def run_scenario() -> dict[str, float]:
        semaphore, ends = FairSemaphore(4, per_tenant=2), dict[str, float]()
        big_tasks = [asyncio.create_task(hold_slot(semaphore, "big", ends)) for _ in range(10_000)]
        await asyncio.sleep(100.5)
        small_task = asyncio.create_task(hold_slot(semaphore, "small", ends))
        await asyncio.gather(*big_tasks, small_task)
        return ends

    ends = simulate(run_scenario())
    assert ends["small"] == 101.5, "the tenant gets a slot immediately"
    assert ends["big"] == 5000.0, "the tenant uses half of the slots all the time"


def test_the_total_limit_holds_for_many_tenants() -> None:
    async def run_scenario() -> list[int]:
        semaphore, held, most = FairSemaphore(3, per_tenant=2), 0, list[int]()

        async def acquire_one(tenant_id: str) -> None:
            nonlocal held
            async with semaphore.acquire(tenant_id):
                held += 1
                most.append(held)
                await asyncio.sleep(A_SECOND)
                held -= 1

        await asyncio.gather(*(acquire_one(tenant_id) for tenant_id in "abcdefgh" * 5))
        return most

    assert max(simulate(run_scenario())) == 3


def test_a_tenant_waits_for_its_cap_and_for_the_total_limit() -> None:
    async def run_scenario() -> list[bool]:
        semaphore = FairSemaphore(3, per_tenant=2)
        async with semaphore.acquire("a"):
            would_wait = [semaphore.is_locked("a")]
            async with semaphore.acquire("a"):
                would_wait += [semaphore.is_locked("a"), semaphore.is_locked("b")]
                async with semaphore.acquire("b"):
                    would_wait += [semaphore.is_locked("b"), semaphore.is_locked("c")]
        return [*would_wait, semaphore.is_locked("a")]

    assert simulate(run_scenario()) == [False, True, False, True, True, False]


def test_waiting_tenants_alternate() -> None:
    async def run_scenario() -> list[str]:
        semaphore, order = FairSemaphore(1, per_tenant=1), list[str]()

        async def acquire_one(tenant_id: str) -> None:
            async with semaphore.acquire(tenant_id):
                order.append(tenant_id)
                await asyncio.sleep(A_SECOND)

        await asyncio.gather(*(acquire_one(tenant_id) for tenant_id in ["a"] * 4 + ["b"] * 2 + ["c"]))
        return order

    assert simulate(run_scenario()) == ["a", "a", "b", "c", "a", "b", "a"]


def test_a_cancelled_waiter_releases_its_slot() -> None:
    async def run_scenario() -> float:
        semaphore, ends = FairSemaphore(1, per_tenant=1), dict[str, float]()
        first = asyncio.create_task(hold_slot(semaphore, "a", ends))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(hold_slot(semaphore, "b", ends))
        granted = asyncio.create_task(hold_slot(semaphore, "c", ends))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await first
        granted.cancel()  # in the moment in which it acquired the slot
        for task in (waiting, granted):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await hold_slot(semaphore, "d", ends)
        return ends["d"]

    assert simulate(run_scenario()) == 2.0


def test_a_failure_releases_the_slot() -> None:
    async def run_scenario() -> None:
        semaphore = FairSemaphore(1, per_tenant=1)
        with contextlib.suppress(ValueError):
            async with semaphore.acquire("a"):
                raise ValueError
        async with asyncio.timeout(1), semaphore.acquire("a"):
            pass

    simulate(run_scenario())
