"""Whose turn it is, in simulated time."""

import asyncio

from file_sync.sync.schedule import Schedule

from tests.support.clock import simulate


def test_who_changed_comes_before_who_is_only_visited_and_each_once() -> None:
    async def scenario() -> list[str]:
        schedule = Schedule()
        schedule.visit(["a", "b", "c"])
        schedule.change(["c", "d", "c"])
        return [await schedule.next() for _ in range(4)]

    assert simulate(scenario()) == ["c", "d", "a", "b"]


def test_a_tenant_that_changes_while_it_is_compared_is_compared_once_more() -> None:
    async def scenario() -> list[str]:
        schedule = Schedule()
        schedule.change(["a"])
        first = await schedule.next()
        schedule.change(["a"])
        schedule.change(["b"])
        second = await schedule.next()
        schedule.done("a", settled=True)
        return [first, second, await schedule.next()]

    assert simulate(scenario()) == ["a", "b", "a"]


def test_who_cannot_be_settled_rests_ever_longer_and_a_change_wakes_them() -> None:
    async def scenario() -> list[float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.change(["a"])
        rests = []
        for _ in range(12):
            await schedule.next()
            began = loop.time()
            schedule.done("a", settled=False)
            await schedule.next()
            rests.append(loop.time() - began)
            schedule._running["a"] = False
            schedule.done("a", settled=False, closed_for=0)
        await asyncio.sleep(1)
        began = loop.time()
        schedule.change(["a"])
        await schedule.next()
        assert loop.time() == began
        schedule.close()
        return rests

    rests = simulate(scenario())
    assert 1.5 <= rests[0] <= 2.5
    assert rests[1] > rests[0]
    assert max(rests) <= 375


def test_changes_do_not_make_somebody_rest_longer_than_they_have_failed() -> None:
    async def scenario() -> float:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        for _ in range(20):
            schedule.change(["a"])
            await schedule.next()
            schedule.done("a", settled=False)
            await asyncio.sleep(0.5)
        ended = loop.time()
        await schedule.next()
        schedule.close()
        return loop.time() - ended

    assert simulate(scenario()) <= 12.5


def test_who_waits_for_the_door_rests_until_it_opens_and_no_longer_however_often() -> None:
    async def scenario() -> list[float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.change(["a"])
        opened = []
        for _ in range(10):
            await schedule.next()
            opened.append(loop.time())
            schedule.done("a", settled=False, closed_for=30)
        schedule.close()
        return opened

    assert simulate(scenario()) == [30.0 * number for number in range(10)]


def test_who_makes_progress_goes_on_at_once_but_not_before_the_door_opens() -> None:
    async def scenario() -> tuple[float, float]:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.change(["a"])
        await schedule.next()
        schedule.done("a", settled=False, progress=True)
        await schedule.next()
        at_once = loop.time()
        schedule.done("a", settled=False, progress=True, closed_for=30)
        await schedule.next()
        schedule.close()
        return at_once, loop.time()

    assert simulate(scenario()) == (0.0, 30.0)


def test_a_visit_does_not_wake_who_rests() -> None:
    async def scenario() -> float:
        loop, schedule = asyncio.get_running_loop(), Schedule()
        schedule.change(["a"])
        await schedule.next()
        schedule.done("a", settled=False, closed_for=60)
        schedule.visit(["a"])
        await schedule.next()
        return loop.time()

    assert simulate(scenario()) == 60.0
