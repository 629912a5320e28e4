"""Test of the event loop's lag monitor in simulated time."""

import asyncio

from prometheus_client import REGISTRY
from servicekit.loop_lag import watch_loop
from servicekit.tasks import run_background_task

from tests.support.timing.clock import simulate


def get_lag(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"tenantry_event_loop_lag_seconds_{name}", labels) or 0.0


def test_a_blocked_loop_is_measured() -> None:
    async def run_scenario() -> None:
        loop = asyncio.get_running_loop()
        async with run_background_task(watch_loop(), "loop-lag"):
            await asyncio.sleep(1)
            calm = get_lag("count")
            assert get_lag("sum") - before < 0.1
            # The clock advances while the loop is blocked.
            clock = loop.time
            loop.time = lambda: clock() + 3  # type: ignore[method-assign]
            await asyncio.sleep(1)
            assert get_lag("count") > calm
            assert get_lag("sum") - before > 1
            assert get_lag("count") - get_lag("bucket", le="0.5") > slow

    before, slow = get_lag("sum"), get_lag("count") - get_lag("bucket", le="0.5")
    simulate(run_scenario())
