"""Tests of the work queue in simulated time: order, concurrency, retries and pauses."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from tenant_operator.conditions import Failure
from tenant_operator.reconcile import Outcome
from tenant_operator.work_queue import BackoffPolicy, WorkQueue

from tests.support.fakes.limits import get_metric
from tests.support.timing.clock import simulate
from tests.support.timing.waiting import wait_until

TRANSIENT = Outcome(Failure("S3Unavailable", "s3 is unavailable", permanent=False))
STALLED = Outcome(Failure("S3Refused", "denied", permanent=True))


class Recorder:
    """Reconcile function that takes one second and returns prepared outcomes."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.calls: list[tuple[float, str]] = []
        self.running: list[str] = []
        self.most_concurrent = 0
        self._outcomes = list(outcomes)

    async def __call__(self, key: str) -> Outcome:
        assert key not in self.running, "two workers run with the same key"
        self.running.append(key)
        self.most_concurrent = max(self.most_concurrent, len(self.running))
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


def simulate_queue(
    recorder: Recorder, scenario: Callable[[WorkQueue], Awaitable[None]], *, workers: int = 1
) -> None:
    """Run a scenario against a work queue in simulated time."""

    async def main() -> None:
        queue = WorkQueue(recorder, BackoffPolicy(1, 60, 300), workers)
        running = asyncio.create_task(queue.run())
        await scenario(queue)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    simulate(main())


def test_a_waiting_key_is_not_enqueued_twice() -> None:
    recorder = Recorder()

    async def run_scenario(queue: WorkQueue) -> None:
        for _ in range(5):
            queue.enqueue("a")
        await queue.wait_idle()

    simulate_queue(recorder, run_scenario)
    assert recorder.keys == ["a"]


def test_a_change_during_a_reconcile_runs_it_once_more() -> None:
    recorder = Recorder()

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await asyncio.sleep(0.5)
        queue.enqueue("a")
        queue.enqueue("a")
        await queue.wait_idle()

    simulate_queue(recorder, run_scenario, workers=4)
    assert recorder.keys == ["a", "a"]


def test_urgent_keys_go_first() -> None:
    recorder = Recorder()

    async def run_scenario(queue: WorkQueue) -> None:
        for key in ("a", "b", "c"):
            queue.enqueue(key)
        queue.enqueue("new", urgent=True)
        queue.enqueue("c", urgent=True)
        await queue.wait_idle()

    simulate_queue(recorder, run_scenario)
    assert recorder.keys == ["new", "c", "a", "b"]


def test_concurrency_is_limited() -> None:
    recorder = Recorder()

    async def run_scenario(queue: WorkQueue) -> None:
        for number in range(20):
            queue.enqueue(str(number))
        await queue.wait_idle()

    simulate_queue(recorder, run_scenario, workers=3)
    assert recorder.most_concurrent == 3
    assert len(recorder.calls) == 20


def test_pauses_after_transient_failures_double_up_to_their_bound() -> None:
    recorder = Recorder(*[TRANSIENT] * 9)

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await asyncio.sleep(600)

    simulate_queue(recorder, run_scenario)
    starts = [start for start, _ in recorder.calls]
    pauses = [later - earlier - 1 for earlier, later in pairwise(starts)]
    assert len(pauses) == 9
    for number, pause in enumerate(pauses):
        highest = min(60, 2**number)
        assert highest / 2 <= pause <= highest


def test_a_success_resets_the_count_of_failures() -> None:
    recorder = Recorder(TRANSIENT, TRANSIENT, TRANSIENT, Outcome(), TRANSIENT)

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await asyncio.sleep(60)
        queue.enqueue("a")
        await asyncio.sleep(60)

    simulate_queue(recorder, run_scenario)
    starts = [start for start, _ in recorder.calls]
    assert starts[5] - starts[4] <= 2


def test_a_success_with_a_concurrent_change_resets_the_count_of_failures() -> None:
    recorder = Recorder(*[TRANSIENT] * 6, Outcome(), TRANSIENT)

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await wait_until(lambda: len(recorder.calls) == 7, seconds=600, every=0.5)
        queue.enqueue("a")  # during the successful reconcile
        await asyncio.sleep(60)

    simulate_queue(recorder, run_scenario)
    starts = [start for start, _ in recorder.calls]
    assert len(starts) == 9
    assert starts[8] - starts[7] <= 2


def test_an_urgent_key_resets_the_count_of_failures() -> None:
    recorder = Recorder(*[TRANSIENT] * 7)

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await wait_until(lambda: len(recorder.calls) == 6, seconds=600, every=0.5)
        queue.enqueue("a", urgent=True)  # during the sixth reconcile
        await asyncio.sleep(60)

    simulate_queue(recorder, run_scenario)
    starts = [start for start, _ in recorder.calls]
    assert starts[7] - starts[6] <= 2


def test_a_change_replaces_a_pending_retry() -> None:
    recorder = Recorder(STALLED)

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await asyncio.sleep(10)
        queue.enqueue("a")
        await queue.wait_idle()
        await asyncio.sleep(600)

    simulate_queue(recorder, run_scenario)
    assert [start for start, _ in recorder.calls] == [0, 10]


def test_a_stalled_tenant_is_retried_after_the_long_pause() -> None:
    recorder = Recorder(STALLED)

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await asyncio.sleep(302)

    simulate_queue(recorder, run_scenario)
    assert [start for start, _ in recorder.calls] == [0, 301]


def test_retry_after_extends_the_pause() -> None:
    recorder = Recorder(Outcome(Failure("KeycloakUnavailable", "later", permanent=False, retry_after=7)))

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await asyncio.sleep(30)

    simulate_queue(recorder, run_scenario)
    assert [start for start, _ in recorder.calls] == [0, 8]


def test_a_short_retry_after_does_not_limit_the_backoff() -> None:
    """An open circuit asks for a few seconds; ten thousand Tenants must not retry that often."""
    circuit_open = Outcome(Failure("OpenWebUIUnavailable", "later", permanent=False, retry_after=1))
    recorder = Recorder(*[circuit_open] * 8)

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await asyncio.sleep(600)

    simulate_queue(recorder, run_scenario)
    starts = [start for start, _ in recorder.calls]
    pauses = [after - before - 1 for before, after in pairwise(starts)]
    assert min(pauses) >= 1
    assert pauses[-1] >= 30


def test_a_reconcile_that_raises_is_retried_and_does_not_stop_others() -> None:
    recorder = Recorder(RuntimeError("a bug"))

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        queue.enqueue("b")
        await asyncio.sleep(30)

    simulate_queue(recorder, run_scenario)
    assert recorder.keys == ["a", "b", "a"]


@pytest.mark.parametrize("outcome", [TRANSIENT, STALLED], ids=["transient", "stalled"])
def test_wait_idle_ignores_scheduled_retries(outcome: Outcome) -> None:
    recorder = Recorder(outcome)

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await queue.wait_idle()
        assert len(recorder.calls) == 1

    simulate_queue(recorder, run_scenario)


def test_tenants_that_fail_together_do_not_retry_together() -> None:
    recorder = Recorder(*[TRANSIENT] * 20)

    async def run_scenario(queue: WorkQueue) -> None:
        for number in range(20):
            queue.enqueue(str(number))
        await asyncio.sleep(10)

    simulate_queue(recorder, run_scenario, workers=20)
    retries = [start for start, _ in recorder.calls][20:]
    assert len(set(retries)) == 20


def test_an_urgent_change_during_a_reconcile_stays_urgent() -> None:
    recorder = Recorder()

    async def run_scenario(queue: WorkQueue) -> None:
        queue.enqueue("a")
        await asyncio.sleep(0.5)
        queue.enqueue("b")
        queue.enqueue("a", urgent=True)
        queue.enqueue("a")
        await queue.wait_idle()

    simulate_queue(recorder, run_scenario)
    assert recorder.keys == ["a", "a", "b"]


def test_the_metric_is_the_number_of_waiting_keys() -> None:
    numbers = []

    async def run_scenario(queue: WorkQueue) -> None:
        for key in "abc":
            queue.enqueue(key)
        numbers.append(get_metric("tenantry_operator_queued_tenants"))
        await asyncio.sleep(0.5)
        numbers.append(get_metric("tenantry_operator_queued_tenants"))
        await queue.wait_idle()
        numbers.append(get_metric("tenantry_operator_queued_tenants"))

    simulate_queue(Recorder(), run_scenario)
    assert numbers == [3, 2, 0]
