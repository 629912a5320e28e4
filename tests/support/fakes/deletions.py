"""Fake limit on deletions without Redis."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import cast

from gateway.documents.deletions import DeletionLimit, HeldDeletion
from gateway.objects import StoredEntry
from gateway.problems import DeletionsHeld
from tenancy.model import Tenant

__all__ = ["FakeDeletionLimit"]


class FakeDeletionLimit:
    """Admits ``allowed`` deletions, and holds the others."""

    def __init__(self, allowed: int = 1_000_000) -> None:
        self.allowed = allowed
        self.admitted: list[str] = []
        self.entries: dict[str, HeldDeletion] = {}

    async def admit(
        self,
        tenant: Tenant,
        stored: StoredEntry,
        requested_by: str,
        *,
        batch: int,
        count_stored: Callable[[], Awaitable[int]],
    ) -> None:
        await count_stored()
        if max(len(self.admitted) + 1, batch) > self.allowed:
            self.entries[stored.document_id] = HeldDeletion(
                stored.document_id, stored.persona_id, stored.filename, requested_by, datetime.now(UTC)
            )
            raise DeletionsHeld("Too many.", retry_after=600)
        self.admitted.append(stored.document_id)

    async def list_held(self, tenant: Tenant) -> list[HeldDeletion]:
        return list(self.entries.values())

    async def release(self, tenant: Tenant) -> datetime:
        self.allowed = 1_000_000
        self.entries.clear()
        return datetime.now(UTC)

    async def remove_held(self, tenant: Tenant, document_id: str) -> None:
        self.entries.pop(document_id, None)

    def cast_to_real_class(self) -> DeletionLimit:
        """Return the fake with the type of the real class."""
        return cast("DeletionLimit", self)
