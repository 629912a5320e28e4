"""How calls leave the process: which are tried again, how long one may take, how many are under way."""

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import stamina
from prometheus_client import REGISTRY
from servicekit import deadline
from servicekit.breaker import FAILURES, PAUSE_SECONDS
from servicekit.errors import DeadlineExceeded, RemoteRefused, RemoteUnavailable
from servicekit.remote import Fault, Remote

_numbers = itertools.count()


class Away(Exception):
    """The vendor's way to say: not now."""


class Denied(Exception):
    """The vendor's way to say: never."""


def classify(exc: Exception) -> Fault | None:
    match exc:
        case Away():
            return Fault.TRANSIENT
        case Denied():
            return Fault.PERMANENT
        case _:
            return None


class Backend:
    """Answers calls as it is told, one after the other, and counts them."""

    def __init__(self, *answers: object) -> None:
        self._answers = iter(answers)
        self.calls = 0

    async def __call__(self) -> object:
        return self.blocking()

    def blocking(self) -> object:
        self.calls += 1
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def remote() -> Iterator[Remote]:
    """A system of three attempts, two calls at once and a tenth of a second, under a name of its own."""
    opened = Remote(f"system{next(_numbers)}", classify, timeout=0.1, attempts=3, concurrency=2)
    yield opened
    opened.close()


@pytest.fixture
def at_once() -> Iterator[None]:
    """No pause before a further attempt; how many there are is still the caller's choice."""
    with stamina.set_testing(True, attempts=99, cap=True):
        yield


def attempts_counted(remote: Remote, outcome: str) -> float:
    labels = {"system": remote.system, "operation": "read", "outcome": outcome}
    return REGISTRY.get_sample_value("tenantry_remote_seconds_count", labels) or 0


async def both_ways(remote: Remote, backend: Backend, way: str) -> object:
    if way == "awaited":
        return await remote.call("read", backend)
    return await remote.call_in_thread("read", backend.blocking)


ways = pytest.mark.parametrize("way", ["awaited", "in a thread"])


@ways
async def test_answer_is_passed_on(remote: Remote, way: str) -> None:
    backend = Backend("answer")
    assert await both_ways(remote, backend, way) == "answer"
    assert backend.calls == 1
    assert attempts_counted(remote, "ok") == 1


@ways
async def test_transient_failure_is_tried_again(remote: Remote, at_once: None, way: str) -> None:
    backend = Backend(Away(), Away(), "answer")
    assert await both_ways(remote, backend, way) == "answer"
    assert attempts_counted(remote, "transient") == 2
    assert attempts_counted(remote, "ok") == 1


@ways
async def test_transient_failure_that_lasts_is_unavailable(remote: Remote, at_once: None, way: str) -> None:
    backend = Backend(Away("first"), Away("second"), Away("third"), "too late")
    with pytest.raises(RemoteUnavailable) as unavailable:
        await both_ways(remote, backend, way)
    assert backend.calls == 3
    error = unavailable.value
    assert (error.system, error.operation, error.reason) == (remote.system, "read", "third")
    assert isinstance(error.__cause__, Away)


@ways
async def test_permanent_failure_is_refused_at_once(remote: Remote, at_once: None, way: str) -> None:
    backend = Backend(Denied("no such key"), "never asked")
    with pytest.raises(RemoteRefused, match="no such key") as refused:
        await both_ways(remote, backend, way)
    assert backend.calls == 1
    assert isinstance(refused.value.__cause__, Denied)
    assert attempts_counted(remote, "permanent") == 1


async def test_permanent_failure_ends_further_attempts(remote: Remote, at_once: None) -> None:
    backend = Backend(Away(), Denied(), "never asked")
    with pytest.raises(RemoteRefused):
        await remote.call("read", backend)
    assert backend.calls == 2


@ways
async def test_bug_of_ours_surfaces_as_itself(remote: Remote, at_once: None, way: str) -> None:
    backend = Backend(KeyError("a typo"), "never asked")
    with pytest.raises(KeyError, match="a typo"):
        await both_ways(remote, backend, way)
    assert backend.calls == 1
    assert attempts_counted(remote, "error") == 1


async def test_call_that_takes_too_long_is_transient(remote: Remote, at_once: None) -> None:
    started = time.monotonic()
    with pytest.raises(RemoteUnavailable, match="TimeoutError"):
        await remote.call("read", lambda: asyncio.sleep(60))
    assert 0.3 <= time.monotonic() - started < 2
    assert attempts_counted(remote, "transient") == 3


async def test_thread_that_takes_too_long_is_transient(remote: Remote, at_once: None) -> None:
    release = threading.Event()
    with pytest.raises(RemoteUnavailable):
        await remote.call_in_thread("read", release.wait, 60)
    release.set()
    assert attempts_counted(remote, "transient") == 3


async def test_further_attempt_comes_after_a_pause() -> None:
    remote = Remote("paused", classify, attempts=2)
    called: list[float] = []

    async def call() -> None:
        called.append(time.monotonic())
        raise Away

    with pytest.raises(RemoteUnavailable):
        await remote.call("read", call)
    first, second = called
    assert 0.1 <= second - first < 2
    remote.close()


async def test_cancelled_call_is_not_tried_again(remote: Remote, at_once: None) -> None:
    started = asyncio.Event()
    calls = 0

    async def hang() -> None:
        nonlocal calls
        calls += 1
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(remote.call("read", hang))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == 1
    assert attempts_counted(remote, "cancelled") == 1
    assert attempts_counted(remote, "error") == 0


class Gauge:
    """How many calls are under way, and the most that ever were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def enter(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)

    def leave(self) -> None:
        with self._lock:
            self._now -= 1

    async def __call__(self) -> None:
        self.enter()
        await asyncio.sleep(0.01)
        self.leave()

    def blocking(self) -> None:
        self.enter()
        time.sleep(0.01)
        self.leave()


async def test_no_more_calls_are_under_way_than_allowed(remote: Remote) -> None:
    gauge = Gauge()
    await _ten(lambda: remote.call("read", gauge))
    assert gauge.most == 2


async def test_no_more_threads_are_taken_than_allowed(remote: Remote) -> None:
    gauge = Gauge()
    await _ten(lambda: remote.call_in_thread("read", gauge.blocking))
    assert gauge.most == 2


async def _ten(call: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(*(call() for _ in range(10)))


async def test_waiting_for_others_does_not_count_as_the_systems_slowness(remote: Remote) -> None:
    """Six calls of 60 ms through two places take 180 ms; each has its own 100 ms."""
    calls = [remote.call("read", lambda: asyncio.sleep(0.06, "answer")) for _ in range(6)]
    assert await asyncio.gather(*calls) == ["answer"] * 6


async def test_synchronous_sdk_runs_beside_the_event_loop_with_its_arguments(remote: Remote) -> None:
    def sdk(key: str, *, version: int) -> tuple[str, int, str]:
        return key, version, threading.current_thread().name

    key, version, thread = await remote.call_in_thread("read", sdk, "a.md", version=2)
    assert (key, version) == ("a.md", 2)
    assert thread.startswith(remote.system)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (Denied(), "Denied"),
        (Denied("one\n  two\tthree"), "one two three"),
        (Denied("x" * 1000), "x" * 300),
    ],
    ids=["nothing", "several lines", "a page"],
)
async def test_systems_words_become_one_short_line(remote: Remote, raised: Denied, told: str) -> None:
    with pytest.raises(RemoteRefused) as refused:
        await remote.call("read", Backend(raised))
    assert refused.value.reason == told


class Busy(Exception):
    """The vendor's way to say: later."""


def classify_busy(exc: Exception) -> Fault | None:
    return Fault.BUSY if isinstance(exc, Busy) else classify(exc)


@pytest.fixture
def breaking(at_once: None) -> Iterator[Remote]:
    """A system of three attempts that is left alone while it keeps failing."""
    opened = Remote(f"system{next(_numbers)}", classify_busy, timeout=0.1, attempts=3)
    yield opened
    opened.close()


async def fail_until_left_alone(remote: Remote, circuit: str = "") -> None:
    backend = Backend(*(Away() for _ in range(FAILURES)))
    while backend.calls < FAILURES:
        with pytest.raises(RemoteUnavailable):
            await remote.call("read", backend, circuit=circuit)


async def test_a_system_that_keeps_failing_is_not_called_for_a_while(breaking: Remote) -> None:
    await fail_until_left_alone(breaking)
    backend = Backend("answer")
    with pytest.raises(RemoteUnavailable, match="keeps failing") as unavailable:
        await breaking.call("read", backend)
    assert backend.calls == 0
    assert 0 < (unavailable.value.retry_after or 0) <= PAUSE_SECONDS


async def test_a_system_that_hangs_is_not_called_for_a_while(breaking: Remote) -> None:
    with pytest.raises(RemoteUnavailable):
        await asyncio.gather(*(breaking.call("read", lambda: asyncio.sleep(60)) for _ in range(FAILURES)))
    backend = Backend("answer")
    with pytest.raises(RemoteUnavailable, match="keeps failing"):
        await breaking.call("read", backend)
    assert backend.calls == 0


async def test_whoever_would_wait_for_others_can_ask_whether_the_system_is_called(breaking: Remote) -> None:
    breaking.require_closed_circuit("read")
    await fail_until_left_alone(breaking)
    with pytest.raises(RemoteUnavailable, match="keeps failing") as unavailable:
        breaking.require_closed_circuit("read")
    error = unavailable.value
    assert (error.system, error.operation) == (breaking.system, "read")
    assert error.retry_after
    breaking.require_closed_circuit("read", circuit="another part")


async def test_a_part_of_a_system_fails_alone(breaking: Remote) -> None:
    await fail_until_left_alone(breaking, "model-a")
    assert await breaking.call("read", Backend("answer"), circuit="model-b") == "answer"


async def test_a_busy_system_is_tried_again_and_never_left_alone(breaking: Remote) -> None:
    backend = Backend(*(Busy() for _ in range(3 * FAILURES)), "answer")
    for _ in range(FAILURES):
        with pytest.raises(RemoteUnavailable):
            await breaking.call("read", backend)
    assert backend.calls == 3 * FAILURES
    assert await breaking.call("read", backend) == "answer"


async def test_refusals_show_that_a_system_works(breaking: Remote) -> None:
    backend = Backend(*(Denied() for _ in range(3 * FAILURES)), "answer")
    for _ in range(3 * FAILURES):
        with pytest.raises(RemoteRefused):
            await breaking.call("read", backend)
    assert await breaking.call("read", backend) == "answer"


@pytest.fixture
def of_one_attempt() -> Iterator[Remote]:
    opened = Remote(f"system{next(_numbers)}", classify, attempts=1)
    yield opened
    opened.close()


async def fail(remote: Remote, times: int) -> None:
    for _ in range(times):
        with pytest.raises(RemoteUnavailable):
            await remote.call("read", Backend(Away()))


async def test_only_failures_in_a_row_count(of_one_attempt: Remote) -> None:
    await fail(of_one_attempt, FAILURES - 1)
    assert await of_one_attempt.call("read", Backend("answer")) == "answer"
    await fail(of_one_attempt, FAILURES - 1)
    assert await of_one_attempt.call("read", Backend("answer")) == "answer"


async def test_a_cancelled_call_does_not_end_a_row_of_failures(of_one_attempt: Remote) -> None:
    await fail(of_one_attempt, FAILURES - 1)
    task = asyncio.create_task(of_one_attempt.call("read", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fail(of_one_attempt, 1)
    with pytest.raises(RemoteUnavailable, match="keeps failing"):
        await of_one_attempt.call("read", Backend("answer"))


async def test_a_system_without_a_breaker_is_always_called() -> None:
    remote = Remote("steady", classify, attempts=1, circuit_breaker=False)
    await fail(remote, 3 * FAILURES)
    remote.require_closed_circuit("read")
    assert await remote.call("read", Backend("answer")) == "answer"
    remote.close()


async def test_callers_who_give_up_are_no_proof_against_a_system(breaking: Remote) -> None:
    for _ in range(3 * FAILURES):
        with deadline.within(0.001), pytest.raises(DeadlineExceeded):
            await breaking.call("read", lambda: asyncio.sleep(60))
    assert await breaking.call("read", Backend("answer")) == "answer"


async def test_a_call_ends_with_its_requests_deadline_and_is_not_tried_again(breaking: Remote) -> None:
    calls = 0

    async def hang() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(60)

    with deadline.within(0.01), pytest.raises(DeadlineExceeded, match=breaking.system):
        await breaking.call("read", hang)
    assert calls == 1


async def test_waiting_for_other_calls_ends_with_the_deadline_too() -> None:
    remote = Remote("crowded", classify, timeout=60, concurrency=1)
    first = asyncio.create_task(remote.call("read", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    with deadline.within(0.01), pytest.raises(DeadlineExceeded):
        await remote.call("read", Backend("never asked"))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    remote.close()
