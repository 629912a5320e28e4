"""Tests of calls to external systems: retries, timeouts, concurrency and the circuit breaker."""

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import stamina
from prometheus_client import REGISTRY
from servicekit import deadline
from servicekit.breaker import MAX_FAILURES, OPEN_DELAY_SECONDS
from servicekit.errors import BackendRefused, BackendUnavailable, DeadlineExceeded
from servicekit.remote import FailureClass, Remote

_numbers = itertools.count()


class Unavailable(Exception):
    """Transient error of the fake SDK."""


class Denied(Exception):
    """Permanent error of the fake SDK."""


def classify(exc: Exception) -> FailureClass | None:
    match exc:
        case Unavailable():
            return FailureClass.TRANSIENT
        case Denied():
            return FailureClass.PERMANENT
        case _:
            return None


class FakeBackend:
    """Fake backend that returns or raises the given results in order and counts calls."""

    def __init__(self, *answers: object) -> None:
        self._answers = iter(answers)
        self.calls = 0

    async def __call__(self) -> object:
        return self.call()

    def call(self) -> object:
        self.calls += 1
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def remote() -> Iterator[Remote]:
    """A system with a unique name, three attempts, two concurrent calls and a timeout of 0.1 s."""
    opened = Remote(f"system{next(_numbers)}", classify, timeout=0.1, attempts=3, concurrency=2)
    yield opened
    opened.close()


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """Remove the pauses before retries; the number of attempts is unchanged."""
    with stamina.set_testing(True, attempts=99, cap=True):
        yield


def count_attempts(remote: Remote, outcome: str) -> float:
    labels = {"system": remote.system, "operation": "read", "outcome": outcome}
    return REGISTRY.get_sample_value("tenantry_backend_seconds_count", labels) or 0


async def call_or_thread(remote: Remote, backend: FakeBackend, way: str) -> object:
    if way == "awaited":
        return await remote.call("read", backend)
    return await remote.call_in_thread("read", backend.call)


async def test_calls_that_wait_for_a_connection_are_counted(remote: Remote) -> None:
    def count() -> float | None:
        return REGISTRY.get_sample_value("tenantry_backend_waiting_calls_total", {"system": remote.system})

    async def hold() -> None:
        await asyncio.sleep(0.01)

    assert count() == 0
    await asyncio.gather(*(remote.call("read", hold) for _ in range(2)))
    assert count() == 0
    await asyncio.gather(*(remote.call("read", hold) for _ in range(5)))
    assert count() == 3


ways = pytest.mark.parametrize("way", ["awaited", "in a thread"])


@ways
async def test_result_is_returned(remote: Remote, way: str) -> None:
    backend = FakeBackend("answer")
    assert await call_or_thread(remote, backend, way) == "answer"
    assert backend.calls == 1
    assert count_attempts(remote, "ok") == 1


@ways
async def test_transient_failure_is_retried(remote: Remote, no_pauses: None, way: str) -> None:
    backend = FakeBackend(Unavailable(), Unavailable(), "answer")
    assert await call_or_thread(remote, backend, way) == "answer"
    assert count_attempts(remote, "transient") == 2
    assert count_attempts(remote, "ok") == 1


@ways
async def test_persistent_transient_failure_is_remote_unavailable(
    remote: Remote, no_pauses: None, way: str
) -> None:
    backend = FakeBackend(Unavailable("first"), Unavailable("second"), Unavailable("third"), "too late")
    with pytest.raises(BackendUnavailable) as unavailable:
        await call_or_thread(remote, backend, way)
    assert backend.calls == 3
    error = unavailable.value
    assert (error.system, error.operation, error.reason) == (remote.system, "read", "third")
    assert isinstance(error.__cause__, Unavailable)


@ways
async def test_permanent_failure_is_not_retried(remote: Remote, no_pauses: None, way: str) -> None:
    backend = FakeBackend(Denied("no such key"), "never asked")
    with pytest.raises(BackendRefused, match="no such key") as refused:
        await call_or_thread(remote, backend, way)
    assert backend.calls == 1
    assert isinstance(refused.value.__cause__, Denied)
    assert count_attempts(remote, "permanent") == 1


async def test_permanent_failure_ends_the_retries(remote: Remote, no_pauses: None) -> None:
    backend = FakeBackend(Unavailable(), Denied(), "never asked")
    with pytest.raises(BackendRefused):
        await remote.call("read", backend)
    assert backend.calls == 2


@ways
async def test_unclassified_error_is_raised_unchanged(remote: Remote, no_pauses: None, way: str) -> None:
    backend = FakeBackend(KeyError("a typo"), "never asked")
    with pytest.raises(KeyError, match="a typo"):
        await call_or_thread(remote, backend, way)
    assert backend.calls == 1
    assert count_attempts(remote, "error") == 1


async def test_timeout_of_a_call_is_transient(remote: Remote, no_pauses: None) -> None:
    started = time.monotonic()
    with pytest.raises(BackendUnavailable, match="TimeoutError"):
        await remote.call("read", lambda: asyncio.sleep(60))
    assert 0.3 <= time.monotonic() - started < 2
    assert count_attempts(remote, "transient") == 3


async def test_timeout_of_a_thread_is_transient(remote: Remote, no_pauses: None) -> None:
    release = threading.Event()
    with pytest.raises(BackendUnavailable):
        await remote.call_in_thread("read", release.wait, 60)
    release.set()
    assert count_attempts(remote, "transient") == 3


async def test_retry_follows_after_a_pause() -> None:
    remote = Remote("paused", classify, attempts=2)
    called: list[float] = []

    async def call() -> None:
        called.append(time.monotonic())
        raise Unavailable

    with pytest.raises(BackendUnavailable):
        await remote.call("read", call)
    first, second = called
    assert 0.1 <= second - first < 2
    remote.close()


async def test_cancelled_call_is_not_retried(remote: Remote, no_pauses: None) -> None:
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
    assert count_attempts(remote, "cancelled") == 1
    assert count_attempts(remote, "error") == 0


class Gauge:
    """Counts concurrent calls and their maximum."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.maximum = 0

    def enter(self) -> None:
        with self._lock:
            self._now += 1
            self.maximum = max(self.maximum, self._now)

    def leave(self) -> None:
        with self._lock:
            self._now -= 1

    async def __call__(self) -> None:
        self.enter()
        await asyncio.sleep(0.01)
        self.leave()

    def block(self) -> None:
        self.enter()
        time.sleep(0.01)
        self.leave()


async def test_concurrent_calls_are_limited(remote: Remote) -> None:
    gauge = Gauge()
    await _call_ten_times(lambda: remote.call("read", gauge))
    assert gauge.maximum == 2


async def test_concurrent_threads_are_limited(remote: Remote) -> None:
    gauge = Gauge()
    await _call_ten_times(lambda: remote.call_in_thread("read", gauge.block))
    assert gauge.maximum == 2


async def _call_ten_times(call: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(*(call() for _ in range(10)))


async def test_waiting_for_a_slot_does_not_count_towards_the_timeout(remote: Remote) -> None:
    """Six calls of 60 ms with two slots take 180 ms; the timeout of 100 ms applies to each call."""
    calls = [remote.call("read", lambda: asyncio.sleep(0.06, "answer")) for _ in range(6)]
    assert await asyncio.gather(*calls) == ["answer"] * 6


async def test_synchronous_sdk_runs_in_a_thread_with_its_arguments(remote: Remote) -> None:
    def call_sdk(key: str, *, version: int) -> tuple[str, int, str]:
        return key, version, threading.current_thread().name

    key, version, thread = await remote.call_in_thread("read", call_sdk, "a.md", version=2)
    assert (key, version) == ("a.md", 2)
    assert thread.startswith(remote.system)


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (Denied(), "Denied"),
        (Denied("one\n  two\tthree"), "one two three"),
        (Denied("x" * 1000), "x" * 300),
    ],
    ids=["nothing", "several lines", "a page"],
)
async def test_reason_is_shortened_to_one_line(remote: Remote, raised: Denied, reason: str) -> None:
    with pytest.raises(BackendRefused) as refused:
        await remote.call("read", FakeBackend(raised))
    assert refused.value.reason == reason


class SdkThrottled(Exception):
    """Throttling error of the fake SDK."""


def classify_throttled(exc: Exception) -> FailureClass | None:
    return FailureClass.BUSY if isinstance(exc, SdkThrottled) else classify(exc)


@pytest.fixture
def remote_with_breaker(no_pauses: None) -> Iterator[Remote]:
    """A system with three attempts and a circuit breaker."""
    opened = Remote(f"system{next(_numbers)}", classify_throttled, timeout=0.1, attempts=3)
    yield opened
    opened.close()


async def open_circuit(remote: Remote, circuit: str = "") -> None:
    backend = FakeBackend(*(Unavailable() for _ in range(MAX_FAILURES)))
    while backend.calls < MAX_FAILURES:
        with pytest.raises(BackendUnavailable):
            await remote.call("read", backend, circuit=circuit)


async def test_repeated_failures_open_the_circuit(remote_with_breaker: Remote) -> None:
    await open_circuit(remote_with_breaker)
    backend = FakeBackend("answer")
    with pytest.raises(BackendUnavailable, match="circuit breaker is open") as unavailable:
        await remote_with_breaker.call("read", backend)
    assert backend.calls == 0
    assert 0 < (unavailable.value.retry_after or 0) <= OPEN_DELAY_SECONDS


async def test_repeated_timeouts_open_the_circuit(remote_with_breaker: Remote) -> None:
    with pytest.raises(BackendUnavailable):
        await asyncio.gather(
            *(remote_with_breaker.call("read", lambda: asyncio.sleep(60)) for _ in range(MAX_FAILURES))
        )
    backend = FakeBackend("answer")
    with pytest.raises(BackendUnavailable, match="circuit breaker is open"):
        await remote_with_breaker.call("read", backend)
    assert backend.calls == 0


async def test_a_caller_can_check_the_circuit_before_waiting(remote_with_breaker: Remote) -> None:
    remote_with_breaker.require_closed_circuit("read")
    await open_circuit(remote_with_breaker)
    with pytest.raises(BackendUnavailable, match="circuit breaker is open") as unavailable:
        remote_with_breaker.require_closed_circuit("read")
    error = unavailable.value
    assert (error.system, error.operation) == (remote_with_breaker.system, "read")
    assert error.retry_after
    remote_with_breaker.require_closed_circuit("read", circuit="another part")


async def test_circuits_of_one_system_are_independent(remote_with_breaker: Remote) -> None:
    await open_circuit(remote_with_breaker, "model-a")
    assert await remote_with_breaker.call("read", FakeBackend("answer"), circuit="model-b") == "answer"


async def test_throttling_is_retried_and_opens_no_circuit(remote_with_breaker: Remote) -> None:
    backend = FakeBackend(*(SdkThrottled() for _ in range(3 * MAX_FAILURES)), "answer")
    for _ in range(MAX_FAILURES):
        with pytest.raises(BackendUnavailable):
            await remote_with_breaker.call("read", backend)
    assert backend.calls == 3 * MAX_FAILURES
    assert await remote_with_breaker.call("read", backend) == "answer"


async def test_refusals_close_the_circuit(remote_with_breaker: Remote) -> None:
    backend = FakeBackend(*(Denied() for _ in range(3 * MAX_FAILURES)), "answer")
    for _ in range(3 * MAX_FAILURES):
        with pytest.raises(BackendRefused):
            await remote_with_breaker.call("read", backend)
    assert await remote_with_breaker.call("read", backend) == "answer"


@pytest.fixture
def remote_with_one_attempt() -> Iterator[Remote]:
    opened = Remote(f"system{next(_numbers)}", classify, attempts=1)
    yield opened
    opened.close()


async def fail(remote: Remote, times: int) -> None:
    for _ in range(times):
        with pytest.raises(BackendUnavailable):
            await remote.call("read", FakeBackend(Unavailable()))


async def test_only_consecutive_failures_count(remote_with_one_attempt: Remote) -> None:
    await fail(remote_with_one_attempt, MAX_FAILURES - 1)
    assert await remote_with_one_attempt.call("read", FakeBackend("answer")) == "answer"
    await fail(remote_with_one_attempt, MAX_FAILURES - 1)
    assert await remote_with_one_attempt.call("read", FakeBackend("answer")) == "answer"


async def test_a_cancelled_call_does_not_reset_the_count(remote_with_one_attempt: Remote) -> None:
    await fail(remote_with_one_attempt, MAX_FAILURES - 1)
    task = asyncio.create_task(remote_with_one_attempt.call("read", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fail(remote_with_one_attempt, 1)
    with pytest.raises(BackendUnavailable, match="circuit breaker is open"):
        await remote_with_one_attempt.call("read", FakeBackend("answer"))


async def test_a_system_without_a_breaker_is_always_called() -> None:
    remote = Remote("steady", classify, attempts=1, circuit_breaker=False)
    await fail(remote, 3 * MAX_FAILURES)
    remote.require_closed_circuit("read")
    assert await remote.call("read", FakeBackend("answer")) == "answer"
    remote.close()


async def test_cancelled_callers_do_not_count_as_failures(remote_with_breaker: Remote) -> None:
    for _ in range(3 * MAX_FAILURES):
        with deadline.limit_time(0.001), pytest.raises(DeadlineExceeded):
            await remote_with_breaker.call("read", lambda: asyncio.sleep(60))
    assert await remote_with_breaker.call("read", FakeBackend("answer")) == "answer"


async def test_a_call_ends_at_the_deadline_and_is_not_retried(remote_with_breaker: Remote) -> None:
    calls = 0

    async def hang() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(60)

    with deadline.limit_time(0.01), pytest.raises(DeadlineExceeded, match=remote_with_breaker.system):
        await remote_with_breaker.call("read", hang)
    assert calls == 1


async def test_waiting_for_a_slot_ends_at_the_deadline() -> None:
    remote = Remote("crowded", classify, timeout=60, concurrency=1)
    first = asyncio.create_task(remote.call("read", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    with deadline.limit_time(0.01), pytest.raises(DeadlineExceeded):
        await remote.call("read", FakeBackend("never asked"))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    remote.close()


async def test_pauses_between_attempts_have_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    remote, pauses = Remote("jitter", classify, attempts=3, circuit_breaker=False), list[float]()

    async def skip(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", skip)
    for _ in range(20):
        with pytest.raises(BackendUnavailable):
            await remote.call("read", FakeBackend(*(Unavailable() for _ in range(3))))
    first = pauses[::2]
    assert len(set(first)) == 20
    assert all(0.1 <= pause <= 0.6 for pause in first)
    remote.close()
