"""Tests of the token bucket."""

import pytest
from servicekit.token_bucket import BURST_SECONDS, MAX_DEBT_SECONDS, TokenBucket

from tests.support.timing.clock import ManualClock


@pytest.fixture
def bucket(clock: ManualClock) -> TokenBucket:
    """A bucket with one token per second."""
    return TokenBucket(60, clock)


def test_the_burst_is_available_immediately(bucket: TokenBucket) -> None:
    assert [bucket.reserve() for _ in range(int(BURST_SECONDS))] == [0] * int(BURST_SECONDS)


def test_further_tokens_are_delayed_by_one_second_each(bucket: TokenBucket) -> None:
    for _ in range(int(BURST_SECONDS)):
        bucket.reserve()
    assert [bucket.reserve() for _ in range(3)] == pytest.approx([1, 2, 3])


def test_try_acquire_returns_the_seconds_until_a_token_is_available(
    bucket: TokenBucket, clock: ManualClock
) -> None:
    taken = [bucket.try_acquire() for _ in range(int(BURST_SECONDS) + 5)]
    assert taken == [0] * int(BURST_SECONDS) + [pytest.approx(1)] * 5
    clock.now += 1
    assert bucket.try_acquire() == 0
    assert bucket.try_acquire() == pytest.approx(1)


@pytest.mark.parametrize("per_minute", [30, 120])
def test_the_rate_determines_the_wait(per_minute: int, clock: ManualClock) -> None:
    bucket, seconds_per_token = TokenBucket(per_minute, clock), 60 / per_minute
    while not bucket.reserve():
        pass
    assert bucket.reserve() == pytest.approx(2 * seconds_per_token)
    clock.now += 2.5 * seconds_per_token
    assert bucket.reserve() == pytest.approx(seconds_per_token / 2)


def test_tokens_are_refilled_over_time(bucket: TokenBucket, clock: ManualClock) -> None:
    for _ in range(int(BURST_SECONDS) + 5):
        bucket.reserve()
    clock.now += 6
    assert bucket.reserve() == 0
    assert bucket.reserve() == pytest.approx(1)


def test_the_bucket_is_never_fuller_than_its_size(bucket: TokenBucket, clock: ManualClock) -> None:
    clock.now += 3600
    taken = [bucket.reserve() for _ in range(int(BURST_SECONDS) + 1)]
    assert taken[-1] == pytest.approx(1)


def test_the_debt_of_callers_that_do_not_wait_is_limited(bucket: TokenBucket) -> None:
    for _ in range(10_000):
        bucket.reserve()
    assert bucket.reserve() == pytest.approx(MAX_DEBT_SECONDS)


async def test_waiting_lasts_until_the_token_is_available(
    monkeypatch: pytest.MonkeyPatch, bucket: TokenBucket
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    for _ in range(int(BURST_SECONDS) + 2):
        await bucket.acquire()
    assert slept == pytest.approx([1, 2])
