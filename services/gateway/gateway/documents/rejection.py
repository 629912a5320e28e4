"""Rejection of held deletions: what file-sync wants to delete stays, and is no longer tied to its file.

A document whose file is gone would be asked for again by each comparison. So it is moved to the trash and
restored from there in one go, as a document that is identified by its name. Both halves survive a crash.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tenancy.identity import Principal

from ..problems import DocumentExists, DocumentMissing, TrashMissing
from ..timings import RequestTimings
from .catalog import SERVICE, Catalog
from .deletions import DeletionLimit, HeldDeletion
from .trash import Trash

__all__ = ["DeletionRejection", "RejectedDeletions"]

MAX_REJECTED = 20
"""Held deletions that one request rejects: each document of file-sync is indexed again."""


@dataclass(frozen=True)
class RejectedDeletions:
    """Result of a rejection.

    Parameters
    ----------
    kept
        Deletions whose documents stay.
    in_trash
        Deletions whose documents are in the trash: another document has their name.
    remaining
        Number of deletions that are still held.
    """

    kept: Sequence[HeldDeletion]
    in_trash: Sequence[HeldDeletion]
    remaining: int


class DeletionRejection:
    """Rejects held deletions for a tenant's administrator."""

    def __init__(self, catalog: Catalog, trash: Trash, limit: DeletionLimit) -> None:
        self._catalog = catalog
        self._trash = trash
        self._limit = limit

    async def reject(self, person: Principal) -> RejectedDeletions:
        """Reject the oldest held deletions, some at a time.

        Raises
        ------
        TenantryError
            A document could not be kept now; its deletion is still held, and so are those after it.
        """
        held = await self._limit.held(person.tenant)
        kept, in_trash = list[HeldDeletion](), list[HeldDeletion]()
        for each in held[:MAX_REJECTED]:
            is_kept = each.requested_by != SERVICE or await self._keep(person, each.document_id)
            await self._limit.forget(person.tenant, each.document_id)
            (kept if is_kept else in_trash).append(each)
        return RejectedDeletions(kept, in_trash, max(len(held) - MAX_REJECTED, 0))

    async def _keep(self, person: Principal, document_id: str) -> bool:
        """Untie a document from its file; return False if it had to stay in the trash."""
        with suppress(DocumentMissing):  # an attempt that was cut off has moved it to the trash
            await self._catalog.remove(person.tenant, document_id, person=person, is_limited=False)
        try:
            await self._trash.restore(person, document_id, None, RequestTimings())
        except DocumentExists:
            return False
        except TrashMissing:
            return True  # restored by the attempt that was cut off
        return True
