"""Restarts dead parts of a platform, as Kubernetes restarts pods."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

from tenantry_local.platform import Platform
from tenantry_local.processes import LocalError

from tests.support.timing.waiting import wait_until

__all__ = ["PartRestarter", "run_part_restarter"]

INTERVAL_SECONDS = 0.2


class PartRestarter:
    """Restarts the parts of a platform.

    Attributes
    ----------
    restarts
        Number of restarts of each part.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._down: set[str] = set()
        self.restarts = Counter[str]()

    @contextmanager
    def keep_down(self, *names: str) -> Iterator[None]:
        """Kill parts with all their processes, and do not restart them before the block ends."""
        self._down.update(names)
        try:
            for name in names:
                self._platform.stop(name, kill=True)
            yield
        finally:
            self._down.difference_update(names)

    async def wait_until_healthy(self) -> None:
        """Wait until every part is healthy."""
        for part in self._platform.parts.values():
            await wait_until(
                partial(asyncio.to_thread, part.is_healthy), seconds=part.start_timeout, every=0.2
            )

    async def run(self) -> None:
        """Restart dead parts concurrently, in a loop."""
        while True:
            dead = [
                name for name in self._platform.parts if name not in self._down and not self._is_running(name)
            ]
            await asyncio.gather(*map(self._start, dead))
            await asyncio.sleep(INTERVAL_SECONDS)

    def _is_running(self, name: str) -> bool:
        return not self._platform.parts[name].managed or bool(self._platform.processes.find(name))

    async def _start(self, name: str) -> None:
        self.restarts[name] += 1
        with suppress(LocalError):  # a dependency may still be down; retried in the next round
            await asyncio.to_thread(self._platform.start, name)


@asynccontextmanager
async def run_part_restarter(platform: Platform) -> AsyncIterator[PartRestarter]:
    """Restart dead parts inside the block, and then until all parts are healthy."""
    restarter = PartRestarter(platform)
    task = asyncio.create_task(restarter.run())
    try:
        yield restarter
    finally:
        await restarter.wait_until_healthy()
        task.cancel()
        await asyncio.wait([task])
