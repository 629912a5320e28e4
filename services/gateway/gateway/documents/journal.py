"""Write-ahead journal of documents: leases, unfinished writes, and permanent indexing failures.

Redis has two hashes for each tenant. ``ingests`` has an entry for each document that is being written or has
an unfinished write. ``failures`` has the reason why a stored content is not indexed. Neither is a list of
documents: S3 and the index remain the source of truth, and a repair reads them. If both hashes are lost, a
document with an unfinished write is shown as received and waits for its next ingest.

A write holds a lease, which expires by Redis' clock. It records its intent before its first change. If the
write's process dies later, the intent remains, and :mod:`.repair` completes the write after the lease
expired.
"""

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from servicekit.deadline import suspend_deadline
from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenancy.names import build_failures_key, build_ingests_key
from tenancy.tombstones import raise_if_deleting

from ..leases import LEASE_TTL_SECONDS, LeaseLost, hold_lease
from ..problems import DocumentBusy, WritesUnavailable
from ..redis import TenantRedis
from . import journal_scripts
from .intents import IngestFailure, IngestProgress, Intent, IntentKind

__all__ = ["RETRY_AFTER_SECONDS", "DueRepairs", "Journal", "WriteLease"]

LEASE_WAIT_TIMEOUT_SECONDS = 10.0
"""Time for which a write waits for another write of the same document."""

POLL_INTERVAL_SECONDS = (0.05, 0.25)
"""Shortest and longest pause between two attempts to acquire a lease; random, so that waiters spread out."""

RETRY_AFTER_SECONDS = 5
"""``Retry-After`` for a write that did not get the lease."""

REPAIR_DELAY_SECONDS = 15.0
"""Delay from a failed write to its repair; each failed repair multiplies the delay by four."""

MAX_REPAIR_DELAY_SECONDS = 64 * 60.0

MAX_DUE_REPAIRS = 50
"""Maximum number of a tenant's documents in one list of due repairs."""


@dataclass(frozen=True)
class DueRepairs:
    """A tenant's documents whose repair is due, out of ``entries`` in the journal."""

    tenant: Tenant
    entries: int
    document_ids: list[str]


class WriteLease:
    """Exclusive right to write a document, inside :meth:`Journal.acquire`.

    Attributes
    ----------
    intent
        Unfinished write of the document: an earlier write, or the write that this lease has begun.
    """

    def __init__(self, journal: "Journal", tenant: Tenant, document_id: str, token: str) -> None:
        self._journal = journal
        self._tenant = tenant
        self._document_id = document_id
        self._token = token
        self._has_begun = False
        self._is_committed = False
        self.intent: Intent | None = None

    async def begin(self, intent: Intent) -> None:
        """Record an intent, before the first change.

        Raises
        ------
        WritesUnavailable
            The intent could not be recorded, so nothing may be changed.
        """
        self._has_begun = True  # even if the reply is lost
        if not await self._journal.renew(self._tenant, self._document_id, self._token, intent):
            raise _build_unavailable()
        self.intent = intent

    async def commit(self, failure: IngestFailure | None = None) -> None:
        """Delete the intent, and store the permanent failure, if any. Errors of Redis are only logged.

        After such an error the intent remains, and a repair finds nothing left to do.
        """
        await self._journal.commit(self._tenant, self._document_id, self._token, failure)
        self._is_committed = True

    async def renew(self) -> bool:
        """Extend the lease; return False if another writer holds it."""
        return await self._journal.renew(self._tenant, self._document_id, self._token)

    async def release(self) -> None:
        """Release the lease. An intent that was not committed is repaired after a delay."""
        if not self._is_committed:
            attempts = self.intent.attempts if self.intent else 0
            delay = _calculate_repair_delay(attempts) if self._has_begun else None
            await self._journal.release(self._tenant, self._document_id, self._token, delay)


class Journal:
    """Grants leases on documents and stores the intents of their writes.

    Parameters
    ----------
    lease_seconds
        Time after which the lease of a dead holder expires.
    wait_seconds
        Time to wait for a lease that another writer holds.
    """

    def __init__(
        self,
        redis: TenantRedis,
        *,
        lease_seconds: float = LEASE_TTL_SECONDS,
        wait_seconds: float = LEASE_WAIT_TIMEOUT_SECONDS,
    ) -> None:
        self._redis = redis
        self._acquire = redis.register_script("acquire-lease", journal_scripts.ACQUIRE)
        self._renew = redis.register_script("renew-lease", journal_scripts.RENEW)
        self._release = redis.register_script("release-lease", journal_scripts.RELEASE, ends_work=True)
        self._commit = redis.register_script("commit-intent", journal_scripts.COMMIT, ends_work=True)
        self._read = redis.register_script("read-journal", journal_scripts.READ)
        self._list_due = redis.register_script("list-due-repairs", journal_scripts.LIST_DUE)
        self._lease_seconds = lease_seconds
        self._wait_seconds = wait_seconds
        self._log = structlog.get_logger("gateway.documents")

    @asynccontextmanager
    async def acquire(
        self, tenant: Tenant, document_id: str, *, repairing: bool = False
    ) -> AsyncIterator[WriteLease]:
        """Hold the lease on a document while the block runs; wait for it for a limited time.

        Parameters
        ----------
        repairing
            True to acquire the lease only if a repair is due, without waiting.

        Raises
        ------
        DocumentBusy
            Another writer holds the lease.
        TenantSuspended
            The Tenant is being deleted.
        WritesUnavailable
            Redis is unavailable, or was unavailable for so long that the block was cancelled.
        """
        lease = await self._acquire_lease(tenant, document_id, repairing=repairing)
        try:
            async with hold_lease(lease.renew, seconds=self._lease_seconds):
                yield lease
        except LeaseLost as exc:
            raise _build_unavailable() from exc
        finally:
            await lease.release()

    async def get_progress(self, tenant: Tenant, document_ids: Sequence[str]) -> dict[str, IngestProgress]:
        """Return the progress of documents; an empty mapping if Redis is unavailable."""
        if not document_ids:
            return {}
        keys = [build_ingests_key(tenant.id, tenant.uid), build_failures_key(tenant.id, tenant.uid)]
        try:
            intents, failures = await self._read.run(tenant, keys, *document_ids)
        except BackendError as exc:
            raise_if_deleting(exc)
            self._log.warning("Cannot read the journal; showing states without it", error=str(exc))
            return {}
        return {
            document_id: IngestProgress(
                bool(intent) and Intent.from_json(intent).kind is not IntentKind.DELETE,
                IngestFailure(**json.loads(failure)) if failure else None,
            )
            for document_id, intent, failure in zip(document_ids, intents, failures, strict=True)
        }

    async def list_due(self, tenants: Sequence[Tenant]) -> list[DueRepairs]:
        """Return the due repairs of about a hundred tenants. Tenants without an entry cost almost nothing.

        Raises
        ------
        BackendUnavailable, BackendRefused
            Redis did not answer, or refused the call.
        """
        repairs = []
        for tenant in await self._redis.filter_existing("find-journals", tenants, build_ingests_key):
            entries, document_ids = await self._list_due.run(
                tenant, [build_ingests_key(tenant.id, tenant.uid)], MAX_DUE_REPAIRS
            )
            repairs.append(DueRepairs(tenant, entries, document_ids))
        return repairs

    async def renew(self, tenant: Tenant, document_id: str, token: str, intent: Intent | None = None) -> bool:
        """Renew a lease and optionally replace its intent; return False if another writer holds it.

        Raises
        ------
        TenantSuspended
            The Tenant is being deleted.
        WritesUnavailable
            With an intent, if Redis is unavailable.
        BackendUnavailable, BackendRefused
            Without an intent, if Redis is unavailable.
        """
        texts = [intent.to_json()] if intent else []
        try:
            return bool(await self._run(self._renew, tenant, document_id, token, self._lease_ms, *texts))
        except BackendError as exc:
            raise_if_deleting(exc)
            if intent:
                raise _build_unavailable() from exc
            raise

    async def commit(
        self, tenant: Tenant, document_id: str, token: str, failure: IngestFailure | None
    ) -> None:
        """Delete a lease and its intent; see :meth:`WriteLease.commit`."""
        keys = [build_ingests_key(tenant.id, tenant.uid), build_failures_key(tenant.id, tenant.uid)]
        text = json.dumps(vars(failure)) if failure else ""
        try:
            with suspend_deadline():  # the write is complete, even if its deadline has passed
                await self._commit.run(tenant, keys, document_id, token, text)
        except BackendError as exc:
            self._log.warning("Cannot delete an intent from the journal; a repair will", error=str(exc))

    async def release(self, tenant: Tenant, document_id: str, token: str, delay: float | None) -> None:
        """Release a lease and keep its intent; see :meth:`WriteLease.release`."""
        milliseconds = [] if delay is None else [round(delay * 1000)]
        try:
            with suspend_deadline():  # the deadline may have passed, but other writers wait for the lease
                await self._run(self._release, tenant, document_id, token, *milliseconds)
        except BackendError as exc:
            self._log.warning("Cannot release a lease; it expires", error=str(exc))

    @property
    def _lease_ms(self) -> int:
        return round(self._lease_seconds * 1000)

    async def _acquire_lease(self, tenant: Tenant, document_id: str, *, repairing: bool) -> WriteLease:
        lease = WriteLease(self, tenant, document_id, token := uuid.uuid4().hex)
        now = asyncio.get_running_loop().time
        give_up = now() if repairing else now() + self._wait_seconds
        while True:
            try:
                acquired, intent = await self._run(
                    self._acquire, tenant, document_id, token, self._lease_ms, int(repairing)
                )
            except BackendError as exc:
                raise_if_deleting(exc)
                raise _build_unavailable() from exc
            if acquired:
                lease.intent = Intent.from_json(intent) if intent else None
                return lease
            if now() >= give_up:
                raise DocumentBusy(
                    "Another request is writing the document. Try again when it is done.",
                    retry_after=RETRY_AFTER_SECONDS,
                )
            await asyncio.sleep(random.uniform(*POLL_INTERVAL_SECONDS))  # noqa: S311 (jitter, not a secret)

    async def _run(self, script: Any, tenant: Tenant, *arguments: int | str) -> Any:
        return await script.run(tenant, [build_ingests_key(tenant.id, tenant.uid)], *arguments)


def _calculate_repair_delay(attempts: int) -> float:
    """Return the seconds until the next repair: 15 s, 1, 4, 16, 64 minutes."""
    return float(min(REPAIR_DELAY_SECONDS * 4**attempts, MAX_REPAIR_DELAY_SECONDS))


def _build_unavailable() -> WritesUnavailable:
    return WritesUnavailable("The document cannot be locked for writing right now. Try again in a moment.")
