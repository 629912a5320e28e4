"""The work queue: who is reconciled when, how often, and never twice at once. Real reconciles: elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from tenant_operator.conditions import Failure
from tenant_operator.controller import Controller, Pauses
from tenant_operator.reconcile import Outcome

from tests.support.clock import simulate
from tests.support.waiting import until

PASSING = Outcome(Failure("S3Unavailable", "s3 is away", permanent=False))
STALLED = Outcome(Failure("S3Refused", "denied", permanent=True))


class Recorder:
    """A reconcile that takes a second, and says what it was told to say."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.calls: list[tuple[float, str]] = []
        self.running: list[str] = []
        self.most_at_once = 0
        self._outcomes = list(outcomes)

    async def __call__(self, key: str) -> Outcome:
        assert key not in self.running, "a key is worked on by one worker at a time"
        self.running.append(key)
        self.most_at_once = max(self.most_at_once, len(self.running))
        self.calls.append((asyncio.get_running_loop().time(), key))
        await asyncio.sleep(1)
        self.running.remove(key)
        outcome = self._outcomes.pop(0) if self._outcomes else Outcome()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.calls]


def play(recorder: Recorder, scenario: Callable[[Controller], Awaitable[None]], *, workers: int = 1) -> None:
    """Run a scenario against a controller in simulated time."""

    async def main() -> None:
        controller = Controller(recorder, Pauses(1, 60, 300), workers)
        running = asyncio.create_task(controller.run())
        await scenario(controller)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulate(main())


def test_a_key_that_waits_already_is_not_put_in_twice() -> None:
    recorder = Recorder()

    async def scenario(controller: Controller) -> None:
        for _ in range(5):
            controller.enqueue("a")
        await controller.wait_idle()

    play(recorder, scenario)
    assert recorder.keys == ["a"]


def test_a_change_while_a_key_is_worked_on_makes_it_run_once_more() -> None:
    recorder = Recorder()

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await asyncio.sleep(0.5)
        controller.enqueue("a")
        controller.enqueue("a")
        await controller.wait_idle()

    play(recorder, scenario, workers=4)
    assert recorder.keys == ["a", "a"]


def test_new_tenants_overtake_those_that_wait() -> None:
    recorder = Recorder()

    async def scenario(controller: Controller) -> None:
        for key in ("a", "b", "c"):
            controller.enqueue(key)
        controller.enqueue("new", urgent=True)
        controller.enqueue("c", urgent=True)
        await controller.wait_idle()

    play(recorder, scenario)
    assert recorder.keys == ["new", "c", "a", "b"]


def test_no_more_tenants_are_worked_on_at_once_than_allowed() -> None:
    recorder = Recorder()

    async def scenario(controller: Controller) -> None:
        for number in range(20):
            controller.enqueue(str(number))
        await controller.wait_idle()

    play(recorder, scenario, workers=3)
    assert recorder.most_at_once == 3
    assert len(recorder.calls) == 20


def test_pauses_after_passing_failures_double_up_to_their_bound() -> None:
    recorder = Recorder(*[PASSING] * 9)

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await asyncio.sleep(600)

    play(recorder, scenario)
    starts = [start for start, _ in recorder.calls]
    pauses = [later - earlier - 1 for earlier, later in pairwise(starts)]
    assert len(pauses) == 9
    for number, pause in enumerate(pauses):
        highest = min(60, 2**number)
        assert highest / 2 <= pause <= highest


def test_the_count_of_failures_begins_anew_after_a_success() -> None:
    recorder = Recorder(PASSING, PASSING, PASSING, Outcome(), PASSING)

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await asyncio.sleep(60)
        controller.enqueue("a")
        await asyncio.sleep(60)

    play(recorder, scenario)
    starts = [start for start, _ in recorder.calls]
    assert starts[5] - starts[4] <= 2


def test_a_success_that_a_change_follows_ends_the_count_of_failures() -> None:
    recorder = Recorder(*[PASSING] * 6, Outcome(), PASSING)

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await until(lambda: len(recorder.calls) == 7, seconds=600, every=0.5)
        controller.enqueue("a")  # while the reconcile that succeeds is still running
        await asyncio.sleep(60)

    play(recorder, scenario)
    starts = [start for start, _ in recorder.calls]
    assert len(starts) == 9
    assert starts[8] - starts[7] <= 2


def test_a_new_tenant_does_not_inherit_the_failures_of_an_earlier_one_of_its_name() -> None:
    recorder = Recorder(*[PASSING] * 7)

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await until(lambda: len(recorder.calls) == 6, seconds=600, every=0.5)
        controller.enqueue("a", urgent=True)  # while the sixth reconcile is still running
        await asyncio.sleep(60)

    play(recorder, scenario)
    starts = [start for start, _ in recorder.calls]
    assert starts[7] - starts[6] <= 2


def test_a_change_brings_a_pending_retry_forward() -> None:
    recorder = Recorder(STALLED)

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await asyncio.sleep(10)
        controller.enqueue("a")
        await controller.wait_idle()
        await asyncio.sleep(600)

    play(recorder, scenario)
    assert [start for start, _ in recorder.calls] == [0, 10]


def test_a_stalled_tenant_is_tried_again_after_the_long_pause() -> None:
    recorder = Recorder(STALLED)

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await asyncio.sleep(302)

    play(recorder, scenario)
    assert [start for start, _ in recorder.calls] == [0, 301]


def test_a_systems_own_wish_decides_about_the_pause() -> None:
    recorder = Recorder(Outcome(Failure("KeycloakUnavailable", "later", permanent=False, retry_after=7)))

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await asyncio.sleep(30)

    play(recorder, scenario)
    assert [start for start, _ in recorder.calls] == [0, 8]


def test_a_short_wish_does_not_keep_the_pauses_from_growing() -> None:
    """An open circuit wishes for seconds: ten thousand Tenants must not come back every few seconds."""
    wish = Outcome(Failure("OpenWebuiUnavailable", "later", permanent=False, retry_after=1))
    recorder = Recorder(*[wish] * 8)

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await asyncio.sleep(600)

    play(recorder, scenario)
    starts = [start for start, _ in recorder.calls]
    pauses = [after - before - 1 for before, after in pairwise(starts)]
    assert min(pauses) >= 1
    assert pauses[-1] >= 30


def test_a_reconcile_that_raises_is_tried_again_and_stops_nobody() -> None:
    recorder = Recorder(RuntimeError("a bug"))

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        controller.enqueue("b")
        await asyncio.sleep(30)

    play(recorder, scenario)
    assert recorder.keys == ["a", "b", "a"]


@pytest.mark.parametrize("outcome", [PASSING, STALLED], ids=["passing", "stalled"])
def test_idle_does_not_wait_for_retries_still_to_come(outcome: Outcome) -> None:
    recorder = Recorder(outcome)

    async def scenario(controller: Controller) -> None:
        controller.enqueue("a")
        await controller.wait_idle()
        assert len(recorder.calls) == 1

    play(recorder, scenario)
