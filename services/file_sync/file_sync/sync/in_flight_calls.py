"""Calls to n8n that nobody waits for any longer: they go on, and comparisons see what comes of them.

A call may take as long as the largest document does. One whose answer was lost (n8n's queue is in Redis)
would take as long for nothing. Neither may keep a tenant's new files from being stored.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Calls"]

PATIENCE_SECONDS = 5.0
"""How long a comparison waits for one document."""

LOST_SECONDS = 60.0
"""A document that was given to n8n so long ago, and that nobody indexes, is given to it again."""


@dataclass(frozen=True)
class _Call:
    since: float
    task: asyncio.Task[Any]


class Calls:
    """Calls under way, each for a document of a tenant."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], _Call] = {}

    def documents(self, tenant_id: str) -> frozenset[str]:
        """Return the tenant's documents for which an answer is still to come."""
        return frozenset(document_id for owner, document_id in self._left if owner == tenant_id)

    async def wait(
        self, tenant_id: str, document_id: str, call: Coroutine[Any, Any, Any], begun: asyncio.Event
    ) -> None:
        """Make a call, and return when it has ended or takes too long; then it goes on, if it has begun."""
        since, task = asyncio.get_running_loop().time(), asyncio.create_task(call)
        try:
            await asyncio.wait([task], timeout=PATIENCE_SECONDS)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
        elif begun.is_set():
            key = tenant_id, document_id
            self._left[key] = _Call(since, task)
            task.add_done_callback(lambda _: self._forget(key, task))
        else:
            task.cancel()
            await asyncio.wait([task])

    def give_up(self, tenant_id: str, *, waiting: Iterable[str], indexing: Iterable[str]) -> None:
        """End calls that came to nothing, or whose outcome is known without them.

        Parameters
        ----------
        waiting
            Documents that wait for being indexed: their calls are in n8n's queue, or lost.
        indexing
            Documents that are being indexed.
        """
        oldest = asyncio.get_running_loop().time() - LOST_SECONDS
        recent = {
            each for each in waiting if (call := self._left.get((tenant_id, each))) and call.since > oldest
        }
        for document_id in self.documents(tenant_id) - recent - set(indexing):
            self._left.pop((tenant_id, document_id)).task.cancel()

    def close(self) -> None:
        """End all calls."""
        for call in list(self._left.values()):
            call.task.cancel()
        self._left.clear()

    def _forget(self, key: tuple[str, str], task: asyncio.Task[Any]) -> None:
        if (call := self._left.get(key)) and call.task is task:
            del self._left[key]
