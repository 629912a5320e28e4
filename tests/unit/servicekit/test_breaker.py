"""Tests of the circuit breaker."""

import itertools

import pytest
from prometheus_client import REGISTRY
from servicekit.breaker import MAX_FAILURES, OPEN_DELAY_SECONDS, SLOW_FAILURE_SECONDS, Breaker

from tests.support.timing.clock import ManualClock

_numbers = itertools.count()


@pytest.fixture
def system() -> str:
    return f"breaking{next(_numbers)}"


@pytest.fixture
def breaker(system: str, clock: ManualClock) -> Breaker:
    return Breaker(system, clock)


def fail(breaker: Breaker, times: int = MAX_FAILURES) -> None:
    for _ in range(times):
        assert breaker.try_acquire() == 0
        breaker.record_failure()


def get_open_metric(system: str) -> float:
    return REGISTRY.get_sample_value("tenantry_backend_circuits_open", {"system": system}) or 0


def test_consecutive_failures_open_the_circuit(breaker: Breaker, system: str) -> None:
    fail(breaker, MAX_FAILURES - 1)
    assert breaker.try_acquire() == 0
    breaker.record_failure()
    assert breaker.try_acquire() == OPEN_DELAY_SECONDS
    assert get_open_metric(system) == 1
    assert REGISTRY.get_sample_value("tenantry_backend_rejected_total", {"system": system}) == 1


def test_timeouts_count_twice(breaker: Breaker) -> None:
    """Each timeout occupies a slot of the concurrency limit for its whole duration."""
    for _ in range(MAX_FAILURES // 2):
        breaker.record_failure(SLOW_FAILURE_SECONDS)
        assert breaker.pause == 0
    breaker.record_failure(SLOW_FAILURE_SECONDS)
    assert breaker.pause == OPEN_DELAY_SECONDS


def test_reading_the_pause_does_not_use_the_trial_call(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker)
    assert breaker.pause == OPEN_DELAY_SECONDS
    clock.now += OPEN_DELAY_SECONDS
    assert breaker.pause == 0
    assert breaker.try_acquire() == 0
    assert breaker.pause > 0


def test_a_success_resets_the_count(breaker: Breaker) -> None:
    fail(breaker, MAX_FAILURES - 1)
    breaker.record_success()
    fail(breaker, MAX_FAILURES - 1)
    assert breaker.try_acquire() == 0


def test_a_rejected_call_gets_the_remaining_pause(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker)
    clock.now += 2
    assert breaker.try_acquire() == OPEN_DELAY_SECONDS - 2


def test_after_the_pause_one_trial_call_is_allowed(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker)
    clock.now += OPEN_DELAY_SECONDS
    assert breaker.try_acquire() == 0
    assert [breaker.try_acquire() > 0 for _ in range(10)] == [True] * 10


def test_a_successful_trial_call_closes_the_circuit(
    breaker: Breaker, clock: ManualClock, system: str
) -> None:
    fail(breaker)
    clock.now += OPEN_DELAY_SECONDS
    breaker.try_acquire()
    breaker.record_success()
    assert [breaker.try_acquire() for _ in range(10)] == [0] * 10
    assert get_open_metric(system) == 0


def test_a_failed_trial_call_restarts_the_pause(breaker: Breaker, clock: ManualClock, system: str) -> None:
    fail(breaker)
    clock.now += OPEN_DELAY_SECONDS
    breaker.try_acquire()
    breaker.record_failure()
    assert breaker.try_acquire() == OPEN_DELAY_SECONDS
    assert get_open_metric(system) == 1


def test_a_cancelled_trial_call_allows_the_next_one(breaker: Breaker, clock: ManualClock) -> None:
    fail(breaker)
    clock.now += OPEN_DELAY_SECONDS
    breaker.try_acquire()
    breaker.release()
    assert breaker.try_acquire() == 0
