"""In-flight n8n calls that outlive their sync run; the next run observes the result.

A call for a large document takes minutes. A call never ends if n8n lost its queue in Redis. Neither call may
delay the storage of a tenant's new files.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["InFlightCalls"]

WAIT_TIMEOUT_SECONDS = 5.0
"""Time for which a sync run waits for one call."""

LOST_CALL_AGE_SECONDS = 60.0
"""Age from which a call counts as lost while its document is not being indexed; then the call is repeated."""


@dataclass(frozen=True)
class _Call:
    since: float
    task: asyncio.Task[Any]


class InFlightCalls:
    """Calls that continue in the background, one for each document of a tenant."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], _Call] = {}

    def list_document_ids(self, tenant_id: str) -> frozenset[str]:
        """Return the ids of the tenant's documents with a call in flight."""
        return frozenset(document_id for owner, document_id in self._calls if owner == tenant_id)

    async def run(
        self, tenant_id: str, document_id: str, call: Coroutine[Any, Any, Any], started: asyncio.Event
    ) -> None:
        """Run a call; after :data:`WAIT_TIMEOUT_SECONDS` stop waiting and let it run in the background.

        Parameters
        ----------
        started
            Event that is set when the request is sent. A call that has not sent its request in time is
            cancelled.
        """
        since, task = asyncio.get_running_loop().time(), asyncio.create_task(call)
        try:
            await asyncio.wait([task], timeout=WAIT_TIMEOUT_SECONDS)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
        elif started.is_set():
            key = tenant_id, document_id
            self._calls[key] = _Call(since, task)
            task.add_done_callback(lambda _: self._remove(key, task))
        else:
            task.cancel()
            await asyncio.wait([task])

    def cancel_stale(self, tenant_id: str, *, waiting: Iterable[str], indexing: Iterable[str]) -> None:
        """Cancel the tenant's calls that are lost, or whose result is already known.

        Parameters
        ----------
        waiting
            Ids of documents that are not indexed: their calls are either in n8n's queue or lost.
        indexing
            Ids of documents that are being indexed.
        """
        lost_before = asyncio.get_running_loop().time() - LOST_CALL_AGE_SECONDS
        recent = {
            document_id
            for document_id in waiting
            if (call := self._calls.get((tenant_id, document_id))) and call.since > lost_before
        }
        for document_id in self.list_document_ids(tenant_id) - recent - set(indexing):
            self._calls.pop((tenant_id, document_id)).task.cancel()

    def close(self) -> None:
        """Cancel all calls."""
        for call in list(self._calls.values()):
            call.task.cancel()
        self._calls.clear()

    def _remove(self, key: tuple[str, str], task: asyncio.Task[Any]) -> None:
        if (call := self._calls.get(key)) and call.task is task:
            del self._calls[key]
