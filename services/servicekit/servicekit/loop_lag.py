"""Watchdog of the event loop: measures the delay of timers."""

import asyncio

from prometheus_client import Histogram

__all__ = ["LAG", "watch_loop"]

INTERVAL_SECONDS = 0.25
"""Time between two timers."""

LAG = Histogram(
    "tenantry_event_loop_lag_seconds",
    "Delay of a timer of the event loop, measured four times a second; all other work waited as long",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


async def watch_loop() -> None:
    """Observe the lag of the running event loop until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + INTERVAL_SECONDS
        await asyncio.sleep(INTERVAL_SECONDS)
        LAG.observe(max(loop.time() - due, 0.0))
