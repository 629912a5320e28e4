"""Tests of waits for a condition."""

from collections.abc import Callable

import pytest

from tests.support.timing.waiting import wait_until


class FakeTime:
    """Clock that only checks and pauses advance; it records the pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def perf_counter(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr("tests.support.timing.waiting.time.perf_counter", fake.perf_counter)
    monkeypatch.setattr("tests.support.timing.waiting.asyncio.sleep", fake.sleep)
    return fake


def make_condition(fake: FakeTime, cost: float) -> Callable[[], bool]:
    """Return a condition that takes ``cost`` seconds per check and is true at the third check."""
    checks = iter([False, False, True])

    def check() -> bool:
        fake.now += cost
        return next(checks)

    return check


@pytest.mark.parametrize(
    ("cost", "pause"),
    [
        pytest.param(0.001, 0.02, id="cheap"),
        pytest.param(0.1, 0.4, id="costly"),
        pytest.param(9.0, 1.0, id="hanging"),
    ],
)
async def test_a_costly_check_is_repeated_less_often(fake_time: FakeTime, cost: float, pause: float) -> None:
    await wait_until(make_condition(fake_time, cost))
    assert fake_time.pauses == pytest.approx([pause, pause])


async def test_a_minimum_pause_is_kept(fake_time: FakeTime) -> None:
    await wait_until(make_condition(fake_time, 0.1), every=0.5)
    assert fake_time.pauses == [0.5, 0.5]
