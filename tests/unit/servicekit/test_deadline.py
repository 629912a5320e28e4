"""Tests of the deadline of a request, which applies to all its calls."""

import asyncio

import pytest
from servicekit import deadline
from servicekit.errors import DeadlineExceeded


def test_without_a_deadline_there_is_no_limit() -> None:
    assert deadline.get_remaining_seconds() is None


def test_a_deadline_applies_inside_the_block_only() -> None:
    with deadline.limit_time(60):
        left = deadline.get_remaining_seconds()
        assert left is not None
        assert 59 < left <= 60
    assert deadline.get_remaining_seconds() is None


def test_an_earlier_deadline_is_kept() -> None:
    with deadline.limit_time(10), deadline.limit_time(60):
        left = deadline.get_remaining_seconds()
        assert left is not None
        assert left <= 10


def test_the_remaining_time_is_never_negative() -> None:
    with deadline.limit_time(-1):
        assert deadline.get_remaining_seconds() == 0


def test_background_work_has_no_deadline() -> None:
    with deadline.limit_time(60):
        with deadline.suspend_deadline():
            assert deadline.get_remaining_seconds() is None
        assert deadline.get_remaining_seconds() is not None


async def test_a_task_inherits_the_deadline() -> None:
    async def get_remaining() -> float | None:
        return deadline.get_remaining_seconds()

    with deadline.limit_time(60):
        task = asyncio.create_task(get_remaining())
    assert await task is not None


async def test_an_exceeded_deadline_names_the_operation() -> None:
    with pytest.raises(DeadlineExceeded, match="waited for bedrock") as exceeded, deadline.limit_time(0.01):
        async with deadline.enforce("bedrock"):
            await asyncio.sleep(60)
    assert exceeded.value.to_problem()["status"] == 504
    assert exceeded.value.to_problem()["waiting_for"] == "bedrock"


async def test_another_timeout_is_not_reported_as_the_deadline() -> None:
    with pytest.raises(TimeoutError), deadline.limit_time(60):
        async with deadline.enforce("bedrock"):
            raise TimeoutError
