"""What Kubernetes does for the platform's parts: whatever has died is started again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial

from tenantry_local.platform import Platform
from tenantry_local.processes import LocalError

from .waiting import until

__all__ = ["Kubelet", "running_kubelet"]

LOOK_SECONDS = 0.2


class Kubelet:
    """Watches the parts of a platform.

    Attributes
    ----------
    restarts
        How often each part was started again.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._down: set[str] = set()
        self.restarts = Counter[str]()

    @contextmanager
    def kept_down(self, *names: str) -> Iterator[None]:
        """Kill parts, each with all its processes, and let none come back before the block ends."""
        self._down.update(names)
        try:
            for name in names:
                self._platform.stop(name, kill=True)
            yield
        finally:
            self._down.difference_update(names)

    async def ready(self) -> None:
        """Return when every part can do its work."""
        for part in self._platform.parts.values():
            await until(partial(asyncio.to_thread, part.is_healthy), seconds=part.start_timeout, every=0.2)

    async def run(self) -> None:
        """Look again and again; parts that died are started side by side."""
        while True:
            dead = [name for name in self._platform.parts if name not in self._down and not self._runs(name)]
            await asyncio.gather(*map(self._start, dead))
            await asyncio.sleep(LOOK_SECONDS)

    def _runs(self, name: str) -> bool:
        return not self._platform.parts[name].managed or bool(self._platform.processes.find(name))

    async def _start(self, name: str) -> None:
        self.restarts[name] += 1
        with suppress(LocalError):  # what it needs may not be back yet: then it is tried again
            await asyncio.to_thread(self._platform.start, name)


@asynccontextmanager
async def running_kubelet(platform: Platform) -> AsyncIterator[Kubelet]:
    """Watch a platform for as long as the block lasts, and until all of it can do its work again."""
    kubelet = Kubelet(platform)
    watching = asyncio.create_task(kubelet.run())
    try:
        yield kubelet
    finally:
        await kubelet.ready()
        watching.cancel()
        await asyncio.wait([watching])
