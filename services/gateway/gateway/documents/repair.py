"""Completes writes of documents that were cut off: by a crash, or by a backend that was away.

The journal only says *that* something was cut off. What is to be done is read from S3, under the tenant's own
prefix, so an old or a wrong entry can at worst cause a look. Every gateway runs this; a lease makes one of
them do each piece of work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import NoReturn

import structlog
from servicekit.errors import TenantryError
from tenancy.model import Tenant

from ..metrics import PENDING_INGESTS, REPAIRS
from ..objects import StoredEntry, TenantObjects
from ..problems import DocumentBusy, DocumentRefused, IndexingFailed, PersonaMissing
from ..timings import RequestTimings
from ..vectors import Vectors
from .catalog import Catalog
from .intents import Failure, Note, Task
from .journal import Due, Journal, Lease
from .service import DocumentService
from .trash import Trash

__all__ = ["Repair"]

EVERY_SECONDS = 15.0
"""Pause between two looks."""

ATTEMPTS = 5
"""So often a document is tried. With the pauses between them that takes about an hour and a half."""

LONGEST_SECONDS = 15 * 60.0
"""For one attempt. A thousand pages take a few minutes; one that hangs must not keep all others waiting."""

AT_ONCE = 2
"""Documents that are repaired side by side: people's own come first."""

TENANTS_AT_ONCE = 100
"""Tenants that Redis is asked about in one call."""


class Repair:
    """Looks for cut-off writes and completes them.

    Parameters
    ----------
    tenants
        Returns all Tenants.
    every
        Seconds between two looks.
    longest
        Seconds that one attempt at a document may take.
    """

    def __init__(
        self,
        tenants: Callable[[], Sequence[Tenant]],
        journal: Journal,
        objects: TenantObjects,
        vectors: Vectors,
        documents: DocumentService,
        catalog: Catalog,
        trash: Trash,
        *,
        every: float = EVERY_SECONDS,
        longest: float = LONGEST_SECONDS,
    ) -> None:
        self._tenants = tenants
        self._journal = journal
        self._objects = objects
        self._vectors = vectors
        self._documents = documents
        self._catalog = catalog
        self._trash = trash
        self._every = every
        self._longest = longest
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._log = structlog.get_logger("gateway.documents")

    async def run(self) -> NoReturn:
        """Look again and again; whatever fails is logged and counted, and ends nothing."""
        while True:
            await self._supervise(self.sweep())
            await asyncio.sleep(self._every)

    async def sweep(self) -> None:
        """Complete what was cut off so far, at all tenants that are neither suspended nor on their way out.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            Redis did not answer, or refused.
        """
        active = [each for each in self._tenants() if not (each.spec.suspended or each.deleting)]
        found: list[Due] = []
        for start in range(0, len(active), TENANTS_AT_ONCE):
            found += await self._journal.due(active[start : start + TENANTS_AT_ONCE])
        PENDING_INGESTS.set(sum(due.entries for due in found))
        # One document of each tenant, then a second one of each: nobody waits for all of somebody else's.
        turns = zip_longest(*([(due.tenant, each) for each in due.document_ids] for due in found))
        await asyncio.gather(
            *(self._supervise(self._repair(*document)) for turn in turns for document in turn if document)
        )

    async def _supervise(self, work: Awaitable[None]) -> None:
        try:
            await work
        except TenantryError as exc:
            self._log.warning("Cannot look for cut-off writes; trying again soon", error=str(exc))
        except asyncio.CancelledError:
            if _is_meant():
                raise
            # Some call below was cancelled by itself; that is its failure, not our end.
            REPAIRS.labels("error").inc()
            self._log.exception("A repair was cancelled by nobody")
        except Exception:  # noqa: BLE001 (one document's surprise must not stop the repair of others)
            REPAIRS.labels("error").inc()
            self._log.exception("Unexpected error in a repair")

    async def _repair(self, tenant: Tenant, document_id: str) -> None:
        async with self._at_once:
            try:
                async with self._journal.hold(tenant, document_id, repairing=True) as lease:
                    if lease.note:  # else it was cut off before it changed anything
                        outcome = await self._attempt(tenant, document_id, lease, lease.note)
                        REPAIRS.labels(outcome).inc()
                        self._log.info("Repaired a document", tenant=tenant.key, outcome=outcome)
            except DocumentBusy:
                return  # another gateway is at it, or was

    async def _attempt(self, tenant: Tenant, document_id: str, lease: Lease, note: Note) -> str:
        """Return what came of it: a label of the metric."""
        # Counted before: an attempt may end with this process.
        note = replace(note, attempts=note.attempts + 1)
        await lease.intend(note)
        stored: StoredEntry | None = None
        try:
            async with asyncio.timeout(self._longest):
                stored = await self._objects.find(tenant, document_id)
                if note.attempts > ATTEMPTS:
                    raise IndexingFailed("Every attempt ended the gateway that made it.")
                await self._complete(tenant, document_id, stored, lease, note)
        except TimeoutError:
            self._log.error("A repair takes too long; trying again later", tenant=tenant.key)
            return "postponed"
        except (DocumentRefused, PersonaMissing):
            return "refused"
        except TenantryError as exc:
            self._log.warning("Cannot complete a document", tenant=tenant.key, error=str(exc))
            if stored is None or note.attempts < ATTEMPTS:
                return "postponed"
            await lease.settle(Failure.of(_given_up(note, exc), stored.stamp.etag))
            return "given_up"
        await lease.settle()
        return "completed"

    async def _complete(
        self, tenant: Tenant, document_id: str, stored: StoredEntry | None, lease: Lease, note: Note
    ) -> None:
        if stored is None:
            await self._vectors.remove(tenant, document_id)
        elif note.task is Task.DELETE:
            # What somebody stored since then was not meant.
            if stored.stamp == note.doomed:
                await self._catalog.erase(tenant, stored, note.removed_by)
        else:
            indexed = (await self._vectors.indexed(tenant, [document_id])).get(document_id)
            if indexed and indexed.document.etag == stored.stamp.etag:
                await self._vectors.tidy(tenant, indexed)
            elif note.restored:
                await self._trash.complete(tenant, stored.key, lease, note.restored, RequestTimings())
            else:
                await self._documents.index_object(tenant, stored.key, lease, RequestTimings())


def _is_meant() -> bool:
    """Tell whether it is us whom somebody wants to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _given_up(note: Note, last: TenantryError) -> IndexingFailed:
    what = "deleted" if note.task is Task.DELETE else "indexed"
    return IndexingFailed(
        f"It could not be {what} in {ATTEMPTS} attempts; the last one said: {last.to_problem()['detail']} "
        "Send it again, or tell the operators."
    )
