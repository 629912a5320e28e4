"""Tests of the schedule, in simulated time."""

import asyncio

from file_sync.sync.schedule import Schedule

from tests.support.clock import simulate


def test_changed_tenants_come_before_those_of_a_full_sync_and_each_comes_once() -> None:
    async def scenario() -> list[str]:
        schedule = Schedule()
        schedule.enqueue_full_sync(["a", "b", "c"])
        schedule.enqueue_changed(["c", "d", "c"])
        return [await schedule.get() for _ in range(4)]

    assert simulate(scenario()) == ["c", "d", "a", "b"]


def test_a_tenant_that_changes_during_its_comparison_is_compared_once_more() -> None:
    async def scenario() -> list[str]:
        schedule = Schedule()
        schedule.enqueue_changed(["a"])
        first = await schedule.get()
        schedule.enqueue_changed(["a"])
        schedule.enqueue_changed(["b"])
        second = await schedule.get()
        schedule.mark_done("a", settled=True)
        return [first, second, await schedule.get()]

    assert simulate(scenario()) == ["a", "b", "a"]


def test_the_backoff_of_an_unsettled_tenant_grows_and_a_change_ends_it() -> None:
    async def scenario() -> list[float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.enqueue_changed(["a"])
        delays = []
        for _ in range(12):
            await schedule.get()
            started_at = loop.time()
            schedule.mark_done("a", settled=False)
            await schedule.get()
            delays.append(loop.time() - started_at)
            schedule._running["a"] = False
            schedule.mark_done("a", settled=False, retry_after=0)
        await asyncio.sleep(1)
        started_at = loop.time()
        schedule.enqueue_changed(["a"])
        await schedule.get()
        assert loop.time() == started_at
        schedule.close()
        return delays

    delays = simulate(scenario())
    assert 1.5 <= delays[0] <= 2.5
    assert delays[1] > delays[0]
    assert max(delays) <= 375


def test_changes_do_not_make_the_backoff_longer_than_the_time_of_failures() -> None:
    async def scenario() -> float:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        for _ in range(20):
            schedule.enqueue_changed(["a"])
            await schedule.get()
            schedule.mark_done("a", settled=False)
            await asyncio.sleep(0.5)
        ended = loop.time()
        await schedule.get()
        schedule.close()
        return loop.time() - ended

    assert simulate(scenario()) <= 12.5


def test_a_tenant_backs_off_until_n8n_may_be_called_and_no_longer() -> None:
    async def scenario() -> list[float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.enqueue_changed(["a"])
        times = []
        for _ in range(10):
            await schedule.get()
            times.append(loop.time())
            schedule.mark_done("a", settled=False, retry_after=30)
        schedule.close()
        return times

    assert simulate(scenario()) == [30.0 * number for number in range(10)]


def test_after_progress_a_tenant_continues_immediately_but_honours_retry_after() -> None:
    async def scenario() -> tuple[float, float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.enqueue_changed(["a"])
        await schedule.get()
        schedule.mark_done("a", settled=False, progress=True)
        await schedule.get()
        continued_at = loop.time()
        schedule.mark_done("a", settled=False, progress=True, retry_after=30)
        await schedule.get()
        schedule.close()
        return continued_at, loop.time()

    assert simulate(scenario()) == (0.0, 30.0)


def test_a_full_sync_does_not_end_a_backoff() -> None:
    async def scenario() -> float:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.enqueue_changed(["a"])
        await schedule.get()
        schedule.mark_done("a", settled=False, retry_after=60)
        schedule.enqueue_full_sync(["a"])
        await schedule.get()
        return loop.time()

    assert simulate(scenario()) == 60.0
