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
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import structlog
from tenancy.errors import RemoteError, TenantryError
from tenancy.model import Tenant
from tenancy.names import failures_key, ingests_key

from ..leases import LEASE_SECONDS, LeaseLost, leased
from ..objects import Stamp
from ..problems import DocumentBusy, WritesUnavailable
from ..redis import TenantRedis

__all__ = ["Due", "Failure", "Journal", "Lease", "Note", "Standing", "Task"]

WAIT_SECONDS = 10.0
"""How long a write waits for another one of the same document."""

POLL_SECONDS = (0.05, 0.25)
"""Shortest and longest pause between two looks; random, so that those who wait do not come together."""

RETRY_SECONDS = 5
"""When a write that waited in vain may come back."""

PAUSE_SECONDS = 15.0
"""From a write that failed to its repair; four times as long after each repair that failed, too."""

LONGEST_PAUSE_SECONDS = 64 * 60.0

KEEP_SECONDS = 90 * 24 * 3600
"""How long a tenant's entries outlive the last change to them."""

DUE = 50
"""Most entries of a tenant that are repaired at a time."""

_ENTRY = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function live(entry) return entry.token ~= '' and entry.expires > now end
local function read(id)
  local found = redis.call('HGET', KEYS[1], id)
  return found and cjson.decode(found) or {token = '', expires = 0, due = 0, note = ''}, found
end
local function write(id, entry)
  redis.call('HSET', KEYS[1], id, cjson.encode(entry))
  redis.call('EXPIRE', KEYS[1], KEEP)
end
""".replace("KEEP", str(KEEP_SECONDS))
"""An entry: whose it is (``token``, empty for nobody's) and until when (``expires``, ms), when a repair may
look at it (``due``, ms), and what there is to do (``note``; empty as long as nothing was changed)."""

# ARGV: document id, token, milliseconds of the lease, 1 for a repair
_TAKE = f"""{_ENTRY}
local entry, found = read(ARGV[1])
if live(entry) or ARGV[4] == '1' and (not found or entry.due > now) then return {{0, ''}} end
entry.token, entry.expires = ARGV[2], now + ARGV[3]
write(ARGV[1], entry)
return {{1, entry.note}}
"""

# ARGV: document id, token, milliseconds of the lease, note (if it is to change)
_KEEP = f"""{_ENTRY}
local entry = read(ARGV[1])
if entry.token ~= ARGV[2] then return 0 end
entry.expires = now + ARGV[3]
if ARGV[4] then entry.note = ARGV[4] end
write(ARGV[1], entry)
return 1
"""

# ARGV: document id, token, milliseconds until a repair (if something changed)
_RELEASE = f"""{_ENTRY}
local entry = read(ARGV[1])
if entry.token ~= ARGV[2] then return 0 end
if entry.note == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
entry.token = ''
if ARGV[3] then entry.due = now + ARGV[3] end
write(ARGV[1], entry)
return 1
"""

# ARGV: document id, token, failure (or empty)
_SETTLE = f"""{_ENTRY}
if read(ARGV[1]).token ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  redis.call('EXPIRE', KEYS[2], {KEEP_SECONDS})
end
return 1
"""

# ARGV: document ids
_LOOK = f"""{_ENTRY}
local notes, failures = {{}}, redis.call('HMGET', KEYS[2], unpack(ARGV))
for i, id in ipairs(ARGV) do
  local entry = read(id)
  notes[i] = live(entry) and entry.note or ''
  failures[i] = failures[i] or ''
end
return {{notes, failures}}
"""

# ARGV: most documents
_DUE = f"""{_ENTRY}
local entries, due = redis.call('HGETALL', KEYS[1]), {{}}
for i = 1, #entries, 2 do
  local entry = cjson.decode(entries[i + 1])
  if #due < tonumber(ARGV[1]) and not live(entry) and entry.due <= now then table.insert(due, entries[i]) end
end
return {{#entries / 2, due}}
"""


class Task(StrEnum):
    """What is being done to a document."""

    INGEST = "ingest"
    DELETE = "delete"


@dataclass(frozen=True)
class Note:
    """What whoever finishes a write has to know; what to index stands in S3 alone.

    Parameters
    ----------
    doomed
        Which content is to be deleted, and no other.
    attempts
        Repairs that have begun.
    """

    task: Task
    doomed: Stamp | None = None
    attempts: int = 0

    def to_json(self) -> str:
        """Return it as text."""
        doomed = self.doomed and [self.doomed.stored_at.isoformat(), self.doomed.etag]
        return json.dumps({"task": self.task, "doomed": doomed, "attempts": self.attempts})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote."""
        read = json.loads(text)
        doomed = read["doomed"] and Stamp(datetime.fromisoformat(read["doomed"][0]), read["doomed"][1])
        return cls(Task(read["task"]), doomed, read["attempts"])


@dataclass(frozen=True)
class Failure:
    """Why a content (``etag``) is not indexed and never will be: the members of a problem document."""

    etag: str
    type: str
    title: str
    detail: str

    @classmethod
    def of(cls, problem: TenantryError, etag: str) -> Self:
        """Return the failure that a problem is."""
        members = problem.to_problem()
        return cls(etag, members["type"], members["title"], members["detail"])


@dataclass(frozen=True)
class Standing:
    """What the journal says of a document; ``failure`` may be about an earlier content of it."""

    indexing: bool = False
    failure: Failure | None = None


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
        self._take = redis.script("take-lease", _TAKE)
        self._keep = redis.script("keep-lease", _KEEP)
        self._release = redis.script("release-lease", _RELEASE)
        self._settle = redis.script("settle-ingest", _SETTLE)
        self._look = redis.script("read-journal", _LOOK)
        self._due = redis.script("find-cut-off", _DUE)
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
        keys = [ingests_key(tenant.id), failures_key(tenant.id)]
        try:
            notes, failures = await self._look.run(tenant, keys, *document_ids)
        except RemoteError as exc:
            self._log.warning("Cannot read the journal; showing states without it", error=str(exc))
            return {}
        return {
            document_id: Standing(
                bool(note) and Note.from_json(note).task is Task.INGEST,
                Failure(**json.loads(failure)) if failure else None,
            )
            for document_id, note, failure in zip(document_ids, notes, failures, strict=True)
        }

    async def due(self, tenants: Sequence[Tenant]) -> list[Due]:
        """Return what was cut off at some hundred tenants; those without any entry cost next to nothing.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            Redis did not answer, or refused.
        """
        found = []
        for tenant in await self._redis.having("find-journals", tenants, ingests_key):
            entries, document_ids = await self._due.run(tenant, [ingests_key(tenant.id)], DUE)
            found.append(Due(tenant, entries, document_ids))
        return found

    async def keep(self, tenant: Tenant, document_id: str, token: str, note: Note | None = None) -> bool:
        """Renew a lease, and change its note; false when it is somebody else's.

        Raises
        ------
        WritesUnavailable
            With a note, when Redis is away.
        RemoteUnavailable, RemoteRefused
            Without one.
        """
        words = [note.to_json()] if note else []
        try:
            return bool(await self._run(self._keep, tenant, document_id, token, self._lease_ms, *words))
        except RemoteError as exc:
            if note:
                raise _unavailable() from exc
            raise

    async def settle(self, tenant: Tenant, document_id: str, token: str, failure: Failure | None) -> None:
        """End a lease and its note; see :meth:`Lease.settle`."""
        keys = [ingests_key(tenant.id), failures_key(tenant.id)]
        words = json.dumps(vars(failure)) if failure else ""
        try:
            await self._settle.run(tenant, keys, document_id, token, words)
        except RemoteError as exc:
            self._log.warning("Cannot close the journal's entry; a repair will", error=str(exc))

    async def release(self, tenant: Tenant, document_id: str, token: str, pause: float | None) -> None:
        """End a lease and keep its note; see :meth:`Lease.release`."""
        words = [] if pause is None else [round(pause * 1000)]
        try:
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
        return await script.run(tenant, [ingests_key(tenant.id)], *arguments)


def _pause(attempts: int) -> float:
    """Return the seconds until the next repair: 15 s, 1, 4, 16, 64 minutes."""
    return float(min(PAUSE_SECONDS * 4**attempts, LONGEST_PAUSE_SECONDS))


def _unavailable() -> WritesUnavailable:
    return WritesUnavailable("Who writes the document cannot be agreed on right now. Try again in a moment.")
