"""Rejection of held deletions: the documents stay, and no longer belong to a file of Open WebUI.

Each sync would request the deletion of a document again while its file is gone. So the document is moved to
the trash and immediately restored as a document that is identified by its name. Both steps survive a crash.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tenancy.identity import Principal

from ..problems import DocumentExists, DocumentMissing, TrashedDocumentMissing
from ..timings import RequestTimings
from .catalog import SERVICE, Catalog
from .deletions import DeletionLimit, HeldDeletion
from .trash import Trash

__all__ = ["DeletionRejection", "RejectedDeletions"]

MAX_REJECTED = 20
"""Maximum number of held deletions that one request rejects; most rejections index a document again."""


@dataclass(frozen=True)
class RejectedDeletions:
    """Result of a rejection.

    Parameters
    ----------
    kept
        Deletions whose documents stay.
    in_trash
        Deletions whose documents stay in the trash, because another document has their name.
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
        """Reject the oldest held deletions, at most :data:`MAX_REJECTED`.

        Raises
        ------
        TenantryError
            A document could not be kept; its deletion and all later deletions are still held.
        """
        held = await self._limit.list_held(person.tenant)
        kept, in_trash = list[HeldDeletion](), list[HeldDeletion]()
        for deletion in held[:MAX_REJECTED]:
            is_kept = deletion.requested_by != SERVICE or await self._keep(person, deletion.document_id)
            await self._limit.remove_held(person.tenant, deletion.document_id)
            (kept if is_kept else in_trash).append(deletion)
        return RejectedDeletions(kept, in_trash, max(len(held) - MAX_REJECTED, 0))

    async def _keep(self, person: Principal, document_id: str) -> bool:
        """Detach a document from its file; return False if the document had to stay in the trash."""
        with suppress(DocumentMissing):  # an interrupted attempt has moved the document to the trash
            await self._catalog.remove(person.tenant, document_id, person=person, is_limited=False)
        try:
            await self._trash.restore(person, document_id, None, RequestTimings())
        except DocumentExists:
            return False
        except TrashedDocumentMissing:
            return True  # the interrupted attempt has restored the document
        return True
