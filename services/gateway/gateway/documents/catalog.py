"""Catalog of a tenant's documents and their states, derived from S3 and the index.

S3 lists the stored documents; the index lists the documents that searches find. There is no third list that
could contradict them. The journal only adds whether a document is being written and why a content was
refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import structlog
from tenancy.identity import Principal
from tenancy.model import Tenant
from tenancy.names import FILE_DOCUMENTS

from ..limits.storage_quota import StorageQuota
from ..models import IndexedDocument
from ..objects import StoredEntry, TenantObjects
from ..personas import require_persona
from ..problems import DocumentMissing, DocumentNotOwned, LimitsUnavailable
from ..vectors import Vectors
from .deletions import DeletionLimit
from .intents import IngestFailure, IngestProgress, Intent, IntentKind
from .journal import Journal
from .trash import Trash

__all__ = ["Catalog", "CatalogEntry", "CatalogPage", "DocumentState"]

SERVICE = "open-webui"
"""Remover of documents in the trash whose Open WebUI file is gone; file-sync removes them by ticket."""


class DocumentState(StrEnum):
    """State of a document."""

    RECEIVED = "received"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class CatalogEntry:
    """A document; ``indexed`` is its indexed version, which may have an earlier content."""

    stored: StoredEntry
    indexed: IndexedDocument | None
    progress: IngestProgress = field(default_factory=IngestProgress)

    @property
    def state(self) -> DocumentState:
        """State of this content."""
        if self.indexed and self.indexed.document.etag == self.stored.version.etag:
            return DocumentState.READY
        if self.progress.indexing:
            return DocumentState.INDEXING
        return DocumentState.FAILED if self._current_failure else DocumentState.RECEIVED

    @property
    def failure(self) -> IngestFailure | None:
        """Reason why this content cannot be indexed, if its state is failed."""
        return self._current_failure if self.state is DocumentState.FAILED else None

    @property
    def _current_failure(self) -> IngestFailure | None:
        failure = self.progress.failure
        return failure if failure and failure.etag == self.stored.version.etag else None


@dataclass(frozen=True)
class CatalogPage:
    """Page of documents; ``after`` is the start of the next page, empty on the last page."""

    entries: list[CatalogEntry]
    after: str


class Catalog:
    """Lists and removes documents.

    Parameters
    ----------
    journal
        The journal of :class:`.service.DocumentService`.
    """

    def __init__(
        self,
        objects: TenantObjects,
        vectors: Vectors,
        quota: StorageQuota,
        journal: Journal,
        trash: Trash,
        deletions: DeletionLimit,
    ) -> None:
        self._journal = journal
        self._trash = trash
        self._deletions = deletions
        self._objects = objects
        self._vectors = vectors
        self._quota = quota
        self._log = structlog.get_logger("gateway.documents")

    async def list_page(
        self,
        tenant: Tenant,
        *,
        persona_id: str | None = None,
        state: DocumentState | None = None,
        after: str = "",
        limit: int,
    ) -> CatalogPage:
        """Return a page of the tenant's documents, ordered by key.

        Parameters
        ----------
        state
            Return only documents in this state. The filter applies to ``limit`` documents. So a page may have
            fewer documents or none although more pages follow.
        after
            Value of ``after`` in the previous page.

        Raises
        ------
        PersonaMissing
            The tenant has no such persona.
        TenantNotReady, BackendUnavailable, BackendRefused
            See :class:`~gateway.vectors.Vectors` and :class:`~gateway.objects.TenantObjects`.
        """
        if persona_id is not None:
            require_persona(tenant, persona_id)
        stored = await self._objects.list_documents(tenant, persona_id=persona_id, after=after, limit=limit)
        entries = await self._describe(tenant, stored)
        return CatalogPage(
            [entry for entry in entries if state in (None, entry.state)],
            stored[-1].key if len(stored) == limit else "",
        )

    async def get(self, tenant: Tenant, document_id: str) -> CatalogEntry:
        """Return one document.

        Raises
        ------
        DocumentMissing
            The tenant has no document of that id.
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`list_page`.
        """
        stored = await self._objects.find(tenant, document_id)
        if stored is None:
            raise DocumentMissing("The tenant has no document of that id.")
        (entry,) = await self._describe(tenant, [stored])
        return entry

    async def remove(
        self,
        tenant: Tenant,
        document_id: str,
        *,
        person: Principal | None,
        batch: int = 1,
        replaced_by: str | None = None,
        is_limited: bool = True,
    ) -> None:
        """Move a document to the trash: when this returns, no search finds it and the object is deleted.

        The document is deleted from the index before its object is deleted. A crash between these steps
        leaves a document that no search finds; a repeated call or a repair completes the removal.

        Parameters
        ----------
        person
            Person who deletes the document; ``None`` for a service with a ticket for this document.
        batch
            Number of documents that the caller is about to delete.
        replaced_by
            Id of the document that replaces this one. If the new document is ready and has the same name in
            the same persona, the removal does not count as a deletion. A service needs this for a document
            that was not made from a file of Open WebUI.
        is_limited
            False for a removal that does not count as a deletion, because a restore follows.

        Raises
        ------
        DocumentMissing
            The tenant has no document of that id.
        DocumentNotOwned
            The document belongs to another person, and the caller is not an administrator of the tenant.
            Or a service asks, and the document was neither made from a file nor replaced.
        DeletionsHeld
            Too many documents would be deleted within minutes; an administrator has to release the deletions.
        DocumentBusy, LimitsUnavailable, WritesUnavailable
            Another request writes the document, or Redis is unavailable; nothing was changed.
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`list_page`.
        """
        async with self._journal.acquire(tenant, document_id) as lease:
            stored = await self._objects.find(tenant, document_id)
            if stored is None:
                raise DocumentMissing("The tenant has no document of that id.")
            if person and not (
                person.admin or await self._objects.get_owner(tenant, stored.key) == person.subject
            ):
                raise DocumentNotOwned(
                    "Only its owner and the tenant's administrators may delete a document."
                )
            removed_by = (person.email or person.subject) if person else SERVICE
            is_replaced = replaced_by is not None and await self._is_replaced(tenant, stored, replaced_by)
            if not (person or is_replaced or document_id.startswith(FILE_DOCUMENTS)):
                raise DocumentNotOwned(
                    "The document was not made from a file of Open WebUI, so a service may delete it only if "
                    "a newer one of its owner, name and persona is ready (`replacedBy`)."
                )
            if is_limited and not is_replaced:
                await self._deletions.admit(
                    tenant,
                    stored,
                    removed_by,
                    batch=batch,
                    count_stored=lambda: self._quota.count(tenant, lambda: self._objects.get_sizes(tenant)),
                )
            await lease.begin(Intent(IntentKind.DELETE, to_delete=stored.version, removed_by=removed_by))
            await self.move_to_trash(tenant, stored, removed_by)
            await lease.commit()

    async def _is_replaced(self, tenant: Tenant, stored: StoredEntry, document_id: str) -> bool:
        """Return True if another document of the same owner, name and persona is ready.

        If the document was uploaded through the gateway, the other document must have been stored later.
        Otherwise a version that was uploaded meanwhile would be lost.
        """
        other = await self._objects.find(tenant, document_id)
        if other is None or other.document_id == stored.document_id:
            return False
        if (other.persona_id, other.filename) != (stored.persona_id, stored.filename):
            return False
        is_file = stored.document_id.startswith(FILE_DOCUMENTS)
        if not is_file and stored.version.stored_at > other.version.stored_at:
            return False
        owners = [await self._objects.find_owner(tenant, entry.key) for entry in (stored, other)]
        (entry,) = await self._describe(tenant, [other])
        return owners[0] == owners[1] and entry.state is DocumentState.READY

    async def move_to_trash(self, tenant: Tenant, stored: StoredEntry, removed_by: str) -> None:
        """Move a document to the trash and out of index, bucket and quota, under a lease on it.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`list_page`.
        """
        await self._trash.record(tenant, stored, removed_by)
        await self._vectors.remove(tenant, stored.document_id)
        await self._objects.delete(tenant, stored.key)
        try:
            await self._quota.release(tenant, stored.document_id)
        except LimitsUnavailable as exc:
            # The document is deleted; within minutes the quota is recounted from the bucket.
            self._log.warning("Cannot release the document's storage quota yet", error=exc.detail)

    async def _describe(self, tenant: Tenant, stored: Sequence[StoredEntry]) -> list[CatalogEntry]:
        document_ids = sorted({entry.document_id for entry in stored})
        progress = await self._journal.get_progress(tenant, document_ids)
        indexed = await self._vectors.get_indexed(tenant, document_ids)
        return [
            CatalogEntry(
                entry, indexed.get(entry.document_id), progress.get(entry.document_id, IngestProgress())
            )
            for entry in stored
        ]
