"""Tests of the schedule, in simulated time."""

import asyncio

from file_sync.metrics import QUEUE
from file_sync.sync.schedule import Schedule

from tests.support.timing.clock import simulate


def test_changed_tenants_come_before_a_full_sync_and_each_tenant_comes_once() -> None:
    async def run_scenario() -> list[str]:
        schedule = Schedule()
        schedule.enqueue_full_sync(["a", "b", "c"])
        schedule.enqueue_changed(["c", "d", "c"])
        return [await schedule.get() for _ in range(4)]

    assert simulate(run_scenario()) == ["c", "d", "a", "b"]


def test_a_tenant_that_changes_during_its_sync_is_synced_once_more() -> None:
    async def run_scenario() -> list[str]:
        schedule = Schedule()
        schedule.enqueue_changed(["a"])
        first = await schedule.get()
        schedule.enqueue_changed(["a"])
        schedule.enqueue_changed(["b"])
        second = await schedule.get()
        schedule.mark_done("a", complete=True)
        return [first, second, await schedule.get()]

    assert simulate(run_scenario()) == ["a", "b", "a"]


def test_the_backoff_of_an_incomplete_tenant_grows_and_a_change_ends_it() -> None:
    async def run_scenario() -> list[float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.enqueue_changed(["a"])
        delays = []
        for _ in range(12):
            await schedule.get()
            started_at = loop.time()
            schedule.mark_done("a", complete=False)
            await schedule.get()
            delays.append(loop.time() - started_at)
            schedule._running["a"] = False
            schedule.mark_done("a", complete=False, retry_after=0)
        await asyncio.sleep(1)
        started_at = loop.time()
        schedule.enqueue_changed(["a"])
        await schedule.get()
        assert loop.time() == started_at
        schedule.close()
        return delays

    delays = simulate(run_scenario())
    assert 1.5 <= delays[0] <= 2.5
    assert delays[1] > delays[0]
    assert max(delays) <= 375


def test_changes_do_not_make_the_backoff_longer_than_the_time_of_failures() -> None:
    async def run_scenario() -> float:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        for _ in range(20):
            schedule.enqueue_changed(["a"])
            await schedule.get()
            schedule.mark_done("a", complete=False)
            await asyncio.sleep(0.5)
        ended = loop.time()
        await schedule.get()
        schedule.close()
        return loop.time() - ended

    assert simulate(run_scenario()) <= 12.5


def test_a_tenant_backs_off_until_n8n_may_be_called_and_no_longer() -> None:
    async def run_scenario() -> list[float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.enqueue_changed(["a"])
        times = []
        for _ in range(10):
            await schedule.get()
            times.append(loop.time())
            schedule.mark_done("a", complete=False, retry_after=30)
        schedule.close()
        return times

    assert simulate(run_scenario()) == [30.0 * number for number in range(10)]


def test_after_progress_a_tenant_continues_immediately_but_honours_retry_after() -> None:
    async def run_scenario() -> tuple[float, float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.enqueue_changed(["a"])
        await schedule.get()
        schedule.mark_done("a", complete=False, progress=True)
        await schedule.get()
        continued_at = loop.time()
        schedule.mark_done("a", complete=False, progress=True, retry_after=30)
        await schedule.get()
        schedule.close()
        return continued_at, loop.time()

    assert simulate(run_scenario()) == (0.0, 30.0)


def test_a_full_sync_does_not_end_a_backoff() -> None:
    async def run_scenario() -> float:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.enqueue_changed(["a"])
        await schedule.get()
        schedule.mark_done("a", complete=False, retry_after=60)
        schedule.enqueue_full_sync(["a"])
        await schedule.get()
        return loop.time()

    assert simulate(run_scenario()) == 60.0


def test_a_changed_tenant_leaves_the_queue_of_the_full_sync() -> None:
    async def run_scenario() -> list[str]:
        schedule = Schedule()
        schedule.enqueue_full_sync(["a", "b"])
        schedule.enqueue_changed(["b"])
        taken = [await schedule.get(), await schedule.get()]
        assert read_lengths() == {"changed": 0, "full-sync": 0, "running": 2, "backoff": 0}
        return taken

    assert simulate(run_scenario()) == ["b", "a"]


def test_a_full_sync_does_not_move_a_changed_tenant_behind_others() -> None:
    async def run_scenario() -> list[str]:
        schedule = Schedule()
        schedule.enqueue_changed(["a", "b"])
        schedule.enqueue_full_sync(["a"])
        taken = [await schedule.get(), await schedule.get()]
        assert read_lengths()["full-sync"] == 0
        return taken

    assert simulate(run_scenario()) == ["a", "b"]


def test_a_changed_tenant_is_not_enqueued_while_it_runs() -> None:
    async def run_scenario() -> None:
        schedule = Schedule()
        schedule.enqueue_changed(["a"])
        await schedule.get()
        assert not schedule.has_changed("a")
        schedule.enqueue_changed(["a"])
        schedule.enqueue_full_sync(["a"])
        assert schedule.has_changed("a")
        assert not schedule.has_waiting, "the tenant is synced again afterwards, not concurrently"
        assert read_lengths() == {"changed": 0, "full-sync": 0, "running": 1, "backoff": 0}
        schedule.mark_done("a", complete=True)
        assert schedule.has_waiting

    simulate(run_scenario())


def test_a_change_ends_a_backoff_and_its_timer() -> None:
    async def run_scenario() -> None:
        schedule = Schedule()
        schedule.enqueue_changed(["a"])
        await schedule.get()
        schedule.mark_done("a", complete=False, retry_after=30)
        assert read_lengths()["backoff"] == 1
        schedule.enqueue_changed(["a"])
        assert read_lengths() == {"changed": 1, "full-sync": 0, "running": 0, "backoff": 0}
        await schedule.get()
        schedule.mark_done("a", complete=True)
        await asyncio.sleep(60)
        assert not schedule.has_waiting

    simulate(run_scenario())


def test_tenants_that_fail_together_do_not_retry_together() -> None:
    async def run_scenario() -> list[float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        tenants = [f"t{number}" for number in range(50)]
        schedule.enqueue_changed(tenants)
        for _ in tenants:
            schedule.mark_done(await schedule.get(), complete=False)
        delays = []
        for _ in tenants:
            await schedule.get()
            delays.append(loop.time())
        schedule.close()
        return delays

    delays = simulate(run_scenario())
    assert len(set(delays)) == len(delays), "each backoff has jitter"
    assert 1.5 <= min(delays) < 1.7
    assert 2.3 < max(delays) <= 2.5


def test_close_removes_all_tenants_and_timers() -> None:
    async def run_scenario() -> None:
        schedule = Schedule()
        schedule.enqueue_changed(["a", "b", "c"])
        schedule.enqueue_full_sync(["d"])
        await schedule.get()
        schedule.mark_done("a", complete=False, retry_after=30)
        await schedule.get()
        assert read_lengths() == {"changed": 1, "full-sync": 1, "running": 1, "backoff": 1}
        schedule.close()
        assert read_lengths() == {"changed": 0, "full-sync": 0, "running": 0, "backoff": 0}
        await asyncio.sleep(60)
        assert not schedule.has_waiting

    simulate(run_scenario())


def read_lengths() -> dict[str, float]:
    """Return the metric's number of tenants in each state."""
    return {sample.labels["state"]: sample.value for sample in next(iter(QUEUE.collect())).samples}
