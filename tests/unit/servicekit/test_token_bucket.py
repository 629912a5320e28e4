"""How often something may be done a minute."""

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
    """One a second."""
    return TokenBucket(60, clock)


def test_what_is_in_hand_is_there_at_once(bucket: TokenBucket) -> None:
    assert [bucket.take() for _ in range(int(IN_HAND_SECONDS))] == [0] * int(IN_HAND_SECONDS)


def test_then_each_waits_a_second_longer_than_the_one_before(bucket: TokenBucket) -> None:
    for _ in range(int(IN_HAND_SECONDS)):
        bucket.take()
    assert [bucket.take() for _ in range(3)] == pytest.approx([1, 2, 3])


def test_who_does_not_wait_takes_nothing_that_is_not_there(bucket: TokenBucket, clock: Clock) -> None:
    taken = [bucket.try_take() for _ in range(int(IN_HAND_SECONDS) + 5)]
    assert taken == [0] * int(IN_HAND_SECONDS) + [pytest.approx(1)] * 5
    clock.now += 1
    assert bucket.try_take() == 0
    assert bucket.try_take() == pytest.approx(1)


@pytest.mark.parametrize("per_minute", [30, 120])
def test_another_rate_gives_other_waits(per_minute: int, clock: Clock) -> None:
    bucket, each = TokenBucket(per_minute, clock), 60 / per_minute
    while not bucket.take():
        pass
    assert bucket.take() == pytest.approx(2 * each)
    clock.now += 2.5 * each
    assert bucket.take() == pytest.approx(each / 2)


def test_time_gives_back_what_was_taken(bucket: TokenBucket, clock: Clock) -> None:
    for _ in range(int(IN_HAND_SECONDS) + 5):
        bucket.take()
    clock.now += 6
    assert bucket.take() == 0
    assert bucket.take() == pytest.approx(1)


def test_a_quiet_hour_saves_up_no_more_than_a_little(bucket: TokenBucket, clock: Clock) -> None:
    clock.now += 3600
    taken = [bucket.take() for _ in range(int(IN_HAND_SECONDS) + 1)]
    assert taken[-1] == pytest.approx(1)


def test_those_who_never_wait_cannot_push_back_the_others_for_ever(bucket: TokenBucket) -> None:
    for _ in range(10_000):
        bucket.take()
    assert bucket.take() == pytest.approx(MOST_DEBT_SECONDS)


async def test_waiting_takes_as_long_as_it_must(monkeypatch: pytest.MonkeyPatch, bucket: TokenBucket) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    for _ in range(int(IN_HAND_SECONDS) + 2):
        await bucket.wait()
    assert slept == pytest.approx([1, 2])
