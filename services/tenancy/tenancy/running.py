"""What goes on beside the requests of a service for as long as it lives."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress

from . import kube
from .registry import TenantRegistry

__all__ = ["running", "watched_registry"]


@asynccontextmanager
async def running(work: Coroutine[None, None, None], name: str) -> AsyncIterator["asyncio.Task[None]"]:
    """Let work go on beside the block, and end it with the block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def watched_registry() -> AsyncIterator[tuple[TenantRegistry, "asyncio.Task[None]"]]:
    """Keep a registry current while the block runs; return the task that does, too."""
    async with await kube.connect() as api:
        registry = TenantRegistry(api)
        async with running(registry.run(), "registry") as watching:
            yield registry, watching
