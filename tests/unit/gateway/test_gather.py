"""Tests of :func:`gateway.gather.gather_or_cancel`."""

import asyncio

import pytest
from gateway.gather import gather_or_cancel


async def test_results_have_the_order_of_the_coroutines() -> None:
    async def wait_and_return(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    assert await gather_or_cancel(map(wait_and_return, (0.02, 0.0, 0.01))) == [0.02, 0.0, 0.01]
    assert await gather_or_cancel([]) == []


async def test_the_first_error_is_raised_and_cancels_the_rest() -> None:
    ended: list[str] = []

    async def sleep_until_cancelled(name: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("this one")

    with pytest.raises(KeyError, match="this one"):
        await gather_or_cancel([sleep_until_cancelled("a"), fail(), sleep_until_cancelled("b")])
    assert sorted(ended) == ["a", "b"]


async def test_a_cancellation_cancels_all_coroutines() -> None:
    ended = asyncio.Event()

    async def sleep_until_cancelled() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    waiting = asyncio.create_task(gather_or_cancel([sleep_until_cancelled()]))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()
