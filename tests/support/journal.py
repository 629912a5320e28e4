"""The journal without Redis: leases that never run out, notes and failures to look at."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from gateway.documents.intents import Failure, Note, Standing, Task
from gateway.documents.journal import Due, Journal, Lease
from gateway.problems import DocumentBusy, WritesUnavailable
from servicekit.locks import KeyedLocks
from tenancy.model import Tenant

__all__ = ["FakeJournal"]


class FakeLease:
    """Keeps what is intended and settled in its journal."""

    def __init__(self, journal: "FakeJournal", key: tuple[str, str]) -> None:
        self._journal = journal
        self._key = key

    @property
    def note(self) -> Note | None:
        return self._journal.notes.get(self._key)

    async def intend(self, note: Note) -> None:
        self._journal.notes[self._key] = note

    async def settle(self, failure: Failure | None = None) -> None:
        self._journal.notes.pop(self._key, None)
        self._journal.failures.pop(self._key, None)
        if failure:
            self._journal.failures[self._key] = failure

    def as_lease(self) -> Lease:
        """Return itself in the place of the real one."""
        return cast("Lease", self)


class FakeJournal:
    """Lets one at a time write a document, as long as ``away`` is false."""

    def __init__(self) -> None:
        self.notes: dict[tuple[str, str], Note] = {}
        self.failures: dict[tuple[str, str], Failure] = {}
        self.away = False
        self.asked: list[str] = []
        self._locks = KeyedLocks()
        self._held: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def hold(
        self, tenant: Tenant, document_id: str, *, repairing: bool = False
    ) -> AsyncIterator[Lease]:
        key = (tenant.id, document_id)
        if self.away:
            raise WritesUnavailable("Redis is away.")
        if repairing and key in self._held:
            raise DocumentBusy("Somebody is at it.", retry_after=1)
        async with self._locks["/".join(key)]:
            self._held.add(key)
            try:
                yield FakeLease(self, key).as_lease()
            finally:
                self._held.discard(key)

    async def standings(self, tenant: Tenant, document_ids: Sequence[str]) -> dict[str, Standing]:
        keys = {document_id: (tenant.id, document_id) for document_id in document_ids}
        return {
            document_id: Standing(self._is_indexing(key), self.failures.get(key))
            for document_id, key in keys.items()
        }

    async def due(self, tenants: Sequence[Tenant]) -> list[Due]:
        self.asked += [tenant.id for tenant in tenants]
        found = []
        for tenant in tenants:
            ids = [document_id for tenant_id, document_id in self.notes if tenant_id == tenant.id]
            if ids:
                found.append(Due(tenant, len(ids), ids))
        return found

    def as_journal(self) -> Journal:
        """Return itself in the place of the real one."""
        return cast("Journal", self)

    def _is_indexing(self, key: tuple[str, str]) -> bool:
        note = self.notes.get(key)
        return key in self._held and note is not None and note.task is not Task.DELETE
