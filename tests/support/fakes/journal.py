"""Fake document journal without Redis, with leases that never expire."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from gateway.documents.intents import IngestFailure, IngestProgress, Intent, IntentKind
from gateway.documents.journal import DueRepairs, Journal, WriteLease
from gateway.problems import DocumentBusy, WritesUnavailable
from servicekit.locks import KeyedLocks
from tenancy.model import Tenant

__all__ = ["FakeJournal"]


class FakeWriteLease:
    """Stores intents and failures in its journal."""

    def __init__(self, journal: "FakeJournal", key: tuple[str, str]) -> None:
        self._journal = journal
        self._key = key

    @property
    def intent(self) -> Intent | None:
        return self._journal.intents.get(self._key)

    async def begin(self, intent: Intent) -> None:
        self._journal.intents[self._key] = intent

    async def commit(self, failure: IngestFailure | None = None) -> None:
        self._journal.intents.pop(self._key, None)
        self._journal.failures.pop(self._key, None)
        if failure:
            self._journal.failures[self._key] = failure

    def cast_to_real_class(self) -> WriteLease:
        """Return the fake with the type of the real class."""
        return cast("WriteLease", self)


class FakeJournal:
    """Serialises the writes of a document; fails while ``is_unavailable`` is true."""

    def __init__(self) -> None:
        self.intents: dict[tuple[str, str], Intent] = {}
        self.failures: dict[tuple[str, str], IngestFailure] = {}
        self.is_unavailable = False
        self.listed_tenants: list[str] = []
        self._locks = KeyedLocks()
        self._held: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def acquire(
        self, tenant: Tenant, document_id: str, *, repairing: bool = False
    ) -> AsyncIterator[WriteLease]:
        key = (tenant.id, document_id)
        if self.is_unavailable:
            raise WritesUnavailable("Redis is unavailable.")
        if repairing and key in self._held:
            raise DocumentBusy("Another request writes it.", retry_after=1)
        async with self._locks["/".join(key)]:
            self._held.add(key)
            try:
                yield FakeWriteLease(self, key).cast_to_real_class()
            finally:
                self._held.discard(key)

    async def get_progress(self, tenant: Tenant, document_ids: Sequence[str]) -> dict[str, IngestProgress]:
        keys = {document_id: (tenant.id, document_id) for document_id in document_ids}
        return {
            document_id: IngestProgress(self._is_indexing(key), self.failures.get(key))
            for document_id, key in keys.items()
        }

    async def list_due(self, tenants: Sequence[Tenant]) -> list[DueRepairs]:
        self.listed_tenants += [tenant.id for tenant in tenants]
        repairs = []
        for tenant in tenants:
            ids = [document_id for tenant_id, document_id in self.intents if tenant_id == tenant.id]
            if ids:
                repairs.append(DueRepairs(tenant, len(ids), ids))
        return repairs

    def cast_to_real_class(self) -> Journal:
        """Return the fake with the type of the real class."""
        return cast("Journal", self)

    def _is_indexing(self, key: tuple[str, str]) -> bool:
        intent = self.intents.get(key)
        return key in self._held and intent is not None and intent.kind is not IntentKind.DELETE
