"""The journal without Redis: leases that never run out, notes and failures to look at."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from gateway.documents.intents import Failure, Intent, DocumentStatus, IntentKind
from gateway.documents.journal import DueRepairs, Journal, Lease
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
    def note(self) -> Intent | None:
        return self._journal.intents.get(self._key)

    async def begin(self, intent: Intent) -> None:
        self._journal.intents[self._key] = note

    async def commit(self, failure: Failure | None = None) -> None:
        self._journal.intents.pop(self._key, None)
        self._journal.failures.pop(self._key, None)
        if failure:
            self._journal.failures[self._key] = failure

    def as_lease(self) -> Lease:
        """Return itself in the place of the real one."""
        return cast("Lease", self)


class FakeJournal:
    """Lets one at a time write a document, as long as ``away`` is false."""

    def __init__(self) -> None:
        self.intents: dict[tuple[str, str], Intent] = {}
        self.failures: dict[tuple[str, str], Failure] = {}
        self.away = False
        self.asked: list[str] = []
        self._locks = KeyedLocks()
        self._held: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def acquire(
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

    async def get_statuses(self, tenant: Tenant, document_ids: Sequence[str]) -> dict[str, DocumentStatus]:
        keys = {document_id: (tenant.id, document_id) for document_id in document_ids}
        return {
            document_id: DocumentStatus(self._is_indexing(key), self.failures.get(key))
            for document_id, key in keys.items()
        }

    async def list_due(self, tenants: Sequence[Tenant]) -> list[DueRepairs]:
        self.asked += [tenant.id for tenant in tenants]
        found = []
        for tenant in tenants:
            ids = [document_id for tenant_id, document_id in self.intents if tenant_id == tenant.id]
            if ids:
                found.append(DueRepairs(tenant, len(ids), ids))
        return found

    def as_journal(self) -> Journal:
        """Return itself in the place of the real one."""
        return cast("Journal", self)

    def _is_indexing(self, key: tuple[str, str]) -> bool:
        note = self.intents.get(key)
        return key in self._held and note is not None and intent.kind is not IntentKind.DELETE
