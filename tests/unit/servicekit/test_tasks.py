"""Tests of background tasks in simulated time: cancellation and errors."""

import asyncio
from contextlib import suppress

import pytest
from servicekit.tasks import cancel_and_wait, run_background_task

from tests.support.timing.clock import simulate


class UncancellableWorker:
    """Runs forever and loses the first cancellations, like ``asyncio.wait_for`` before Python 3.12."""

    def __init__(self, losses: int) -> None:
        self.losses = losses

    async def run(self) -> None:
        while True:
            if self.losses:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(3600)
                self.losses -= 1
            else:
                await asyncio.sleep(3600)


@pytest.mark.parametrize("losses", [0, 1, 3])
def test_a_task_ends_with_the_block_even_if_cancellations_are_lost(losses: int) -> None:
    async def run_scenario() -> float:
        worker = UncancellableWorker(losses)
        async with run_background_task(worker.run(), "worker") as task:
            await asyncio.sleep(1)
        assert task.cancelled()
        return asyncio.get_running_loop().time()

    assert simulate(run_scenario()) < 10


def test_the_tasks_own_error_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def run_scenario() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.sleep(1)
        await cancel_and_wait(task)

    with pytest.raises(ValueError, match="broken"):
        simulate(run_scenario())
