"""Repair of document writes that were interrupted by a crash or an unavailable backend.

The journal only records that a write was interrupted. The content to index is read from S3, under the
tenant's prefix, so an old or a wrong entry costs at most a read. Every gateway runs the repair. A lease
on the document makes sure that only one gateway repairs it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import NoReturn

import structlog
from servicekit.errors import TenantryError
from tenancy.model import Tenant

from ..metrics import PENDING_WRITES, REPAIRS
from ..objects import StoredEntry, TenantObjects
from ..problems import DocumentBusy, DocumentRefused, IndexingFailed, PersonaMissing
from ..timings import RequestTimings
from ..vectors import Vectors
from .catalog import Catalog
from .intents import IngestFailure, Intent, IntentKind
from .journal import DueRepairs, Journal, WriteLease
from .service import DocumentService
from .trash import Trash

__all__ = ["Repair"]

SWEEP_INTERVAL_SECONDS = 15.0
"""Pause between two sweeps."""

MAX_ATTEMPTS = 5
"""Maximum number of attempts to repair a document. With their delays they take about an hour and a half."""

ATTEMPT_TIMEOUT_SECONDS = 15 * 60.0
"""Timeout of one attempt. A thousand pages take a few minutes; a hanging attempt must not block all
others."""

CONCURRENCY = 2
"""Documents that are repaired concurrently; few, because uploads have priority."""

TENANTS_PER_CALL = 100
"""Tenants in one call to Redis."""


class Repair:
    """Finds interrupted writes and completes them.

    Parameters
    ----------
    tenants
        Function that returns all Tenants.
    interval
        Seconds between two sweeps.
    attempt_timeout
        Timeout in seconds of one attempt at a document.
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
        interval: float = SWEEP_INTERVAL_SECONDS,
        attempt_timeout: float = ATTEMPT_TIMEOUT_SECONDS,
    ) -> None:
        self._tenants = tenants
        self._journal = journal
        self._objects = objects
        self._vectors = vectors
        self._documents = documents
        self._catalog = catalog
        self._trash = trash
        self._interval = interval
        self._attempt_timeout = attempt_timeout
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._log = structlog.get_logger("gateway.documents")

    async def run(self) -> NoReturn:
        """Sweep in each interval; failures are logged and counted, and do not end the loop."""
        while True:
            await self._supervise(self.sweep())
            await asyncio.sleep(self._interval)

    async def sweep(self) -> None:
        """Complete all interrupted writes of tenants that are neither suspended nor being deleted.

        Raises
        ------
        BackendUnavailable, BackendRefused
            Redis did not answer, or refused the call.
        """
        active = [tenant for tenant in self._tenants() if not (tenant.spec.suspended or tenant.deleting)]
        repairs: list[DueRepairs] = []
        for start in range(0, len(active), TENANTS_PER_CALL):
            repairs += await self._journal.list_due(active[start : start + TENANTS_PER_CALL])
        PENDING_WRITES.set(sum(due.entries for due in repairs))
        # Repair a document of each tenant before a second one, so that no tenant waits for another's backlog.
        rounds = zip_longest(
            *([(due.tenant, document_id) for document_id in due.document_ids] for due in repairs)
        )
        await asyncio.gather(
            *(
                self._supervise(self._repair(*document))
                for documents in rounds
                for document in documents
                if document
            )
        )

    async def _supervise(self, work: Awaitable[None]) -> None:
        try:
            await work
        except TenantryError as exc:
            self._log.warning("Cannot list interrupted writes; retrying", error=str(exc))
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            # A call in the repair was cancelled, not this task: the repair has failed.
            REPAIRS.labels("error").inc()
            self._log.exception("A repair failed with a cancelled call")
        except Exception:  # noqa: BLE001 (an error of one document must not stop the repair of others)
            REPAIRS.labels("error").inc()
            self._log.exception("Unexpected error in a repair")

    async def _repair(self, tenant: Tenant, document_id: str) -> None:
        async with self._slots:
            try:
                async with self._journal.acquire(tenant, document_id, repairing=True) as lease:
                    if lease.intent:  # without an intent, the write had not changed anything
                        outcome = await self._try_to_complete(tenant, document_id, lease, lease.intent)
                        REPAIRS.labels(outcome).inc()
                        self._log.info("Repaired a document", tenant=tenant.key, outcome=outcome)
            except DocumentBusy:
                return  # another gateway repairs or has repaired the document

    async def _try_to_complete(
        self, tenant: Tenant, document_id: str, lease: WriteLease, intent: Intent
    ) -> str:
        """Try to complete a write; return the outcome, a label of the metric."""
        # Count the attempt before it starts, because it may end this process.
        intent = replace(intent, attempts=intent.attempts + 1)
        await lease.begin(intent)
        stored: StoredEntry | None = None
        try:
            async with asyncio.timeout(self._attempt_timeout):
                stored = await self._objects.find(tenant, document_id)
                if intent.attempts > MAX_ATTEMPTS:
                    raise IndexingFailed("Each attempt to index it ended the gateway process.")
                await self._complete(tenant, document_id, stored, lease, intent)
        except TimeoutError:
            self._log.error("A repair timed out; retrying later", tenant=tenant.key)
            return "retry_later"
        except (DocumentRefused, PersonaMissing):
            return "refused"
        except TenantryError as exc:
            self._log.warning("Cannot complete a write of a document", tenant=tenant.key, error=str(exc))
            if stored is None or intent.attempts < MAX_ATTEMPTS:
                return "retry_later"
            await lease.commit(
                IngestFailure.from_problem(_build_final_failure(intent, exc), stored.version.etag)
            )
            return "given_up"
        await lease.commit()
        return "completed"

    async def _complete(
        self, tenant: Tenant, document_id: str, stored: StoredEntry | None, lease: WriteLease, intent: Intent
    ) -> None:
        if stored is None:
            await self._vectors.remove(tenant, document_id)
        elif intent.kind is IntentKind.DELETE:
            # A version that was stored after the intent must not be deleted.
            if stored.version == intent.to_delete:
                await self._catalog.move_to_trash(tenant, stored, intent.removed_by)
        else:
            indexed = (await self._vectors.get_indexed(tenant, [document_id])).get(document_id)
            if indexed and indexed.document.etag == stored.version.etag:
                await self._vectors.delete_stale(tenant, indexed)
            elif intent.restored:
                await self._trash.complete(tenant, stored.key, lease, intent.restored, RequestTimings())
            else:
                await self._documents.index_object(tenant, stored.key, lease, RequestTimings())


def _is_being_cancelled() -> bool:
    """Return True if this task is being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _build_final_failure(intent: Intent, last: TenantryError) -> IndexingFailed:
    done = "deleted" if intent.kind is IntentKind.DELETE else "indexed"
    return IndexingFailed(
        f"It could not be {done} in {MAX_ATTEMPTS} attempts. Last error: {last.to_problem()['detail']} "
        "Send it again, or contact a platform engineer."
    )
