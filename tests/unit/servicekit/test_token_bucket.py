"""Tests of the token bucket."""

import pytest
from servicekit.token_bucket import IN_HAND_SECONDS, MOST_DEBT_SECONDS, TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bucket(clock: Clock) -> TokenBucket:
    """A bucket with one token per second."""
    return TokenBucket(60, clock)


def test_the_burst_is_available_immediately(bucket: TokenBucket) -> None:
    assert [bucket.take() for _ in range(int(IN_HAND_SECONDS))] == [0] * int(IN_HAND_SECONDS)


def test_further_tokens_are_delayed_by_one_second_each(bucket: TokenBucket) -> None:
    for _ in range(int(IN_HAND_SECONDS)):
        bucket.take()
    assert [bucket.take() for _ in range(3)] == pytest.approx([1, 2, 3])


def test_a_try_without_waiting_takes_no_missing_token(bucket: TokenBucket, clock: Clock) -> None:
    taken = [bucket.try_take() for _ in range(int(IN_HAND_SECONDS) + 5)]
    assert taken == [0] * int(IN_HAND_SECONDS) + [pytest.approx(1)] * 5
    clock.now += 1
    assert bucket.try_take() == 0
    assert bucket.try_take() == pytest.approx(1)


@pytest.mark.parametrize("per_minute", [30, 120])
def test_the_rate_determines_the_wait(per_minute: int, clock: Clock) -> None:
    bucket, each = TokenBucket(per_minute, clock), 60 / per_minute
    while not bucket.take():
        pass
    assert bucket.take() == pytest.approx(2 * each)
    clock.now += 2.5 * each
    assert bucket.take() == pytest.approx(each / 2)


def test_tokens_are_refilled_over_time(bucket: TokenBucket, clock: Clock) -> None:
    for _ in range(int(IN_HAND_SECONDS) + 5):
        bucket.take()
    clock.now += 6
    assert bucket.take() == 0
    assert bucket.take() == pytest.approx(1)


def test_the_bucket_is_never_fuller_than_its_size(bucket: TokenBucket, clock: Clock) -> None:
    clock.now += 3600
    taken = [bucket.take() for _ in range(int(IN_HAND_SECONDS) + 1)]
    assert taken[-1] == pytest.approx(1)


def test_tries_without_waiting_do_not_delay_waiters_further(bucket: TokenBucket) -> None:
    for _ in range(10_000):
        bucket.take()
    assert bucket.take() == pytest.approx(MOST_DEBT_SECONDS)


async def test_waiting_lasts_until_the_token_is_available(
    monkeypatch: pytest.MonkeyPatch, bucket: TokenBucket
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    for _ in range(int(IN_HAND_SECONDS) + 2):
        await bucket.wait()
    assert slept == pytest.approx([1, 2])
