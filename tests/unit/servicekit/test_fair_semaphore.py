"""Places shared in turn: ten thousand files of one tenant delay nobody else's one. In simulated time."""

import asyncio
import contextlib

from servicekit.fair_semaphore import FairSemaphore

from tests.support.clock import simulate

A_SECOND = 1.0


async def work(places: FairSemaphore, tenant_id: str, ends: dict[str, float]) -> None:
    async with places.acquire(tenant_id):
        await asyncio.sleep(A_SECOND)
    ends[tenant_id] = asyncio.get_running_loop().time()


def test_ten_thousand_files_of_one_tenant_do_not_delay_one_of_another() -> None:
    async def scenario() -> dict[str, float]:
        places, ends = FairSemaphore(4, each=2), dict[str, float]()
        many = [asyncio.create_task(work(places, "big", ends)) for _ in range(10_000)]
        await asyncio.sleep(100.5)
        one = asyncio.create_task(work(places, "small", ends))
        await asyncio.gather(*many, one)
        return ends

    ends = simulate(scenario())
    assert ends["small"] == 101.5, "at once: a tenant never has all places"
    assert ends["big"] == 5000.0, "half of the places, all the time"


def test_no_more_places_are_taken_than_there_are_however_many_tenants_come() -> None:
    async def scenario() -> list[int]:
        places, held, most = FairSemaphore(3, each=2), 0, list[int]()

        async def one(tenant_id: str) -> None:
            nonlocal held
            async with places.acquire(tenant_id):
                held += 1
                most.append(held)
                await asyncio.sleep(A_SECOND)
                held -= 1

        await asyncio.gather(*(one(tenant_id) for tenant_id in "abcdefgh" * 5))
        return most

    assert max(simulate(scenario())) == 3


def test_a_tenant_would_wait_for_its_own_places_and_for_all() -> None:
    async def scenario() -> list[bool]:
        places = FairSemaphore(3, each=2)
        async with places.acquire("a"):
            would_wait = [places.locked("a")]
            async with places.acquire("a"):
                would_wait += [places.locked("a"), places.locked("b")]
                async with places.acquire("b"):
                    would_wait += [places.locked("b"), places.locked("c")]
        return [*would_wait, places.locked("a")]

    assert simulate(scenario()) == [False, True, False, True, True, False]


def test_tenants_that_wait_have_their_turn_one_after_the_other() -> None:
    async def scenario() -> list[str]:
        places, order = FairSemaphore(1, each=1), list[str]()

        async def one(tenant_id: str) -> None:
            async with places.acquire(tenant_id):
                order.append(tenant_id)
                await asyncio.sleep(A_SECOND)

        await asyncio.gather(*(one(tenant_id) for tenant_id in ["a"] * 4 + ["b"] * 2 + ["c"]))
        return order

    assert simulate(scenario()) == ["a", "a", "b", "c", "a", "b", "a"]


def test_who_gives_up_waiting_takes_no_place_along() -> None:
    async def scenario() -> float:
        places, ends = FairSemaphore(1, each=1), dict[str, float]()
        first = asyncio.create_task(work(places, "a", ends))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(work(places, "b", ends))
        granted = asyncio.create_task(work(places, "c", ends))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await first
        granted.cancel()  # in the very moment in which it was given the place
        for task in (waiting, granted):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await work(places, "d", ends)
        return ends["d"]

    assert simulate(scenario()) == 2.0


def test_a_failure_gives_the_place_back() -> None:
    async def scenario() -> None:
        places = FairSemaphore(1, each=1)
        with contextlib.suppress(ValueError):
            async with places.acquire("a"):
                raise ValueError
        async with asyncio.timeout(1), places.acquire("a"):
            pass

    simulate(scenario())
