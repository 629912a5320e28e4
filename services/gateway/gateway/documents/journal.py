"""Who writes which document right now, what was cut off, and what could not be indexed.

Redis keeps two hashes a tenant. ``ingests`` has an entry for a document as long as somebody writes it or
owes it something; ``failures`` says why a stored content is not indexed. Neither is a list of documents: S3
and the index stay the truth, and whoever finishes a cut-off write looks there. If both hashes are lost, a
document that was cut off is shown as received and waits for its next ingest.

A write holds a lease, by Redis' clock. Before the first thing that it changes it notes what it is about to
do; if it dies after that, the note stays, and :mod:`.repair` finds it when the lease has run out.
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
from servicekit.deadline import without_deadline
from servicekit.errors import RemoteError
from tenancy.model import Tenant
from tenancy.names import failures_key, ingests_key
from tenancy.tombstones import raise_if_deleting

from ..leases import LEASE_SECONDS, LeaseLost, leased
from ..problems import DocumentBusy, WritesUnavailable
from ..redis import TenantRedis
from . import scripts
from .intents import Failure, Note, Standing, Task

__all__ = ["RETRY_SECONDS", "Due", "Journal", "Lease"]

WAIT_SECONDS = 10.0
"""How long a write waits for another one of the same document."""

POLL_SECONDS = (0.05, 0.25)
"""Shortest and longest pause between two looks; random, so that those who wait do not come together."""

RETRY_SECONDS = 5
"""When a write that waited in vain may come back."""

PAUSE_SECONDS = 15.0
"""From a write that failed to its repair; four times as long after each repair that failed, too."""

LONGEST_PAUSE_SECONDS = 64 * 60.0

DUE = 50
"""Most entries of a tenant that are repaired at a time."""


@dataclass(frozen=True)
class Due:
    """A tenant's documents that wait to be repaired, of ``entries`` in all."""

    tenant: Tenant
    entries: int
    document_ids: list[str]


class Lease:
    """The sole right to write a document, inside :meth:`Journal.hold`. ``note`` is what there is to do."""

    def __init__(self, journal: "Journal", tenant: Tenant, document_id: str, token: str) -> None:
        self._journal = journal
        self._tenant = tenant
        self._document_id = document_id
        self._token = token
        self._intends = False
        self._settled = False
        self.note: Note | None = None

    async def intend(self, note: Note) -> None:
        """Note what is about to be done, before the first change.

        Raises
        ------
        WritesUnavailable
            It could not be noted, so it must not be done.
        """
        self._intends = True  # even if the answer is lost
        if not await self._journal.keep(self._tenant, self._document_id, self._token, note):
            raise _unavailable()
        self.note = note

    async def settle(self, failure: Failure | None = None) -> None:
        """Let it be done, or ``failure`` stand there for good. Never raises because of Redis.

        If Redis does not take it, the note stays, and a repair will find that there is nothing to do.
        """
        await self._journal.settle(self._tenant, self._document_id, self._token, failure)
        self._settled = True

    async def renew(self) -> bool:
        """Let it last on; false when it is somebody else's by now."""
        return await self._journal.keep(self._tenant, self._document_id, self._token)

    async def release(self) -> None:
        """Let others write. What was intended and not settled is repaired after a pause."""
        if not self._settled:
            attempts = self.note.attempts if self.note else 0
            pause = _pause(attempts) if self._intends else None
            await self._journal.release(self._tenant, self._document_id, self._token, pause)


class Journal:
    """Gives out leases and remembers what they were for.

    Parameters
    ----------
    lease_seconds
        How long a lease outlives its holder.
    wait_seconds
        How long to wait for somebody else's.
    """

    def __init__(
        self, redis: TenantRedis, *, lease_seconds: float = LEASE_SECONDS, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._redis = redis
        self._take = redis.script("take-lease", scripts.TAKE)
        self._keep = redis.script("keep-lease", scripts.KEEP)
        self._release = redis.script("release-lease", scripts.RELEASE, ends_work=True)
        self._settle = redis.script("settle-ingest", scripts.SETTLE, ends_work=True)
        self._look = redis.script("read-journal", scripts.LOOK)
        self._due = redis.script("find-cut-off", scripts.DUE)
        self._lease_seconds = lease_seconds
        self._wait_seconds = wait_seconds
        self._log = structlog.get_logger("gateway.documents")

    @asynccontextmanager
    async def hold(
        self, tenant: Tenant, document_id: str, *, repairing: bool = False
    ) -> AsyncIterator[Lease]:
        """Hold the lease on a document while the block runs; wait for it, but not for long.

        Parameters
        ----------
        repairing
            Take it only if something was cut off and its pause is over, and do not wait.

        Raises
        ------
        DocumentBusy
            Somebody else holds it.
        TenantSuspended
            The Tenant is being deleted.
        WritesUnavailable
            Redis is away; or it was for so long that the block was cancelled.
        """
        lease = await self._acquire(tenant, document_id, repairing=repairing)
        try:
            async with leased(lease.renew, seconds=self._lease_seconds):
                yield lease
        except LeaseLost as exc:
            raise _unavailable() from exc
        finally:
            await lease.release()

    async def standings(self, tenant: Tenant, document_ids: Sequence[str]) -> dict[str, Standing]:
        """Return what is known of some documents; of none when Redis is away."""
        if not document_ids:
            return {}
        keys = [ingests_key(tenant.id, tenant.uid), failures_key(tenant.id, tenant.uid)]
        try:
            notes, failures = await self._look.run(tenant, keys, *document_ids)
        except RemoteError as exc:
            raise_if_deleting(exc)
            self._log.warning("Cannot read the journal; showing states without it", error=str(exc))
            return {}
        return {
            document_id: Standing(
                bool(note) and Note.from_json(note).task is not Task.DELETE,
                Failure(**json.loads(failure)) if failure else None,
            )
            for document_id, note, failure in zip(document_ids, notes, failures, strict=True)
        }

    async def due(self, tenants: Sequence[Tenant]) -> list[Due]:
        """Return what was cut off at a hundred tenants or so; those without any entry cost next to nothing.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            Redis did not answer, or refused.
        """
        found = []
        for tenant in await self._redis.having("find-journals", tenants, ingests_key):
            entries, document_ids = await self._due.run(tenant, [ingests_key(tenant.id, tenant.uid)], DUE)
            found.append(Due(tenant, entries, document_ids))
        return found

    async def keep(self, tenant: Tenant, document_id: str, token: str, note: Note | None = None) -> bool:
        """Renew a lease, and change its note; false when it is somebody else's.

        Raises
        ------
        TenantSuspended
            The Tenant is being deleted.
        WritesUnavailable
            With a note, when Redis is away.
        RemoteUnavailable, RemoteRefused
            Without one.
        """
        words = [note.to_json()] if note else []
        try:
            return bool(await self._run(self._keep, tenant, document_id, token, self._lease_ms, *words))
        except RemoteError as exc:
            raise_if_deleting(exc)
            if note:
                raise _unavailable() from exc
            raise

    async def settle(self, tenant: Tenant, document_id: str, token: str, failure: Failure | None) -> None:
        """End a lease and its note; see :meth:`Lease.settle`."""
        keys = [ingests_key(tenant.id, tenant.uid), failures_key(tenant.id, tenant.uid)]
        words = json.dumps(vars(failure)) if failure else ""
        try:
            with without_deadline():  # it is done, however late
                await self._settle.run(tenant, keys, document_id, token, words)
        except RemoteError as exc:
            self._log.warning("Cannot close the journal's entry; a repair will", error=str(exc))

    async def release(self, tenant: Tenant, document_id: str, token: str, pause: float | None) -> None:
        """End a lease and keep its note; see :meth:`Lease.release`."""
        words = [] if pause is None else [round(pause * 1000)]
        try:
            with without_deadline():  # what has come to its end must not keep others waiting
                await self._run(self._release, tenant, document_id, token, *words)
        except RemoteError as exc:
            self._log.warning("Cannot give a lease back; it runs out", error=str(exc))

    @property
    def _lease_ms(self) -> int:
        return round(self._lease_seconds * 1000)

    async def _acquire(self, tenant: Tenant, document_id: str, *, repairing: bool) -> Lease:
        lease = Lease(self, tenant, document_id, token := uuid.uuid4().hex)
        now = asyncio.get_running_loop().time
        give_up = now() if repairing else now() + self._wait_seconds
        while True:
            try:
                taken, note = await self._run(
                    self._take, tenant, document_id, token, self._lease_ms, int(repairing)
                )
            except RemoteError as exc:
                raise_if_deleting(exc)
                raise _unavailable() from exc
            if taken:
                lease.note = Note.from_json(note) if note else None
                return lease
            if now() >= give_up:
                raise DocumentBusy(
                    "Another request is writing the document. Try again when it is done.",
                    retry_after=RETRY_SECONDS,
                )
            await asyncio.sleep(random.uniform(*POLL_SECONDS))  # noqa: S311 (jitter, not a secret)

    async def _run(self, script: Any, tenant: Tenant, *arguments: int | str) -> Any:
        return await script.run(tenant, [ingests_key(tenant.id, tenant.uid)], *arguments)


def _pause(attempts: int) -> float:
    """Return the seconds until the next repair: 15 s, 1, 4, 16, 64 minutes."""
    return float(min(PAUSE_SECONDS * 4**attempts, LONGEST_PAUSE_SECONDS))


def _unavailable() -> WritesUnavailable:
    return WritesUnavailable("Who writes the document cannot be agreed on right now. Try again in a moment.")
