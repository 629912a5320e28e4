"""Which documents there are, and how far each is: S3 says what was received, the index what can be found.

There is no list of its own that could disagree with the two. The journal only adds what neither can know:
that somebody is at it, and why a content was refused.
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
from ..problems import DocumentForeign, DocumentMissing, LimitsUnavailable
from ..vectors import Vectors
from .deletions import DeletionLimit
from .intents import Failure, Note, Standing, Task
from .journal import Journal
from .trash import Trash

__all__ = ["Catalog", "CatalogEntry", "CatalogPage", "DocumentState"]

SERVICE = "open-webui"
"""Name in the trash for a removal by ticket: file-sync deletes the documents whose files are gone there."""


class DocumentState(StrEnum):
    """How far a document is."""

    RECEIVED = "received"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class CatalogEntry:
    """A document; ``indexed`` is what can be found of it, an earlier content of it perhaps."""

    stored: StoredEntry
    indexed: IndexedDocument | None
    standing: Standing = field(default_factory=Standing)

    @property
    def state(self) -> DocumentState:
        """How far this content is."""
        if self.indexed and self.indexed.document.etag == self.stored.stamp.etag:
            return DocumentState.READY
        if self.standing.indexing:
            return DocumentState.INDEXING
        return DocumentState.FAILED if self._refused else DocumentState.RECEIVED

    @property
    def failure(self) -> Failure | None:
        """Why this content cannot be indexed, if its state is failed."""
        return self._refused if self.state is DocumentState.FAILED else None

    @property
    def _refused(self) -> Failure | None:
        failure = self.standing.failure
        return failure if failure and failure.etag == self.stored.stamp.etag else None


@dataclass(frozen=True)
class CatalogPage:
    """Some documents, and where to go on; ``after`` is empty at the end."""

    entries: list[CatalogEntry]
    after: str


class Catalog:
    """Lists and removes documents.

    Parameters
    ----------
    journal
        That of :class:`.service.DocumentService`.
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

    async def page(
        self,
        tenant: Tenant,
        *,
        persona_id: str | None = None,
        state: DocumentState | None = None,
        after: str = "",
        limit: int,
    ) -> CatalogPage:
        """Return the tenant's documents by key.

        Parameters
        ----------
        state
            Only documents that are so far. They are picked from ``limit`` documents: a page may hold fewer,
            and there may be more behind an empty one.
        after
            Where the page before ended.

        Raises
        ------
        PersonaMissing
            The tenant has no such persona.
        CollectionMissing, RemoteUnavailable, RemoteRefused
            See :class:`~gateway.vectors.Vectors` and :class:`~gateway.objects.TenantObjects`.
        """
        if persona_id is not None:
            require_persona(tenant, persona_id)
        stored = await self._objects.entries(tenant, persona_id=persona_id, after=after, limit=limit)
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
            The tenant has none of that id.
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`page`.
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
        """Move a document to the trash: when this returns no search finds it, and the object is gone.

        The index goes first. What stops us in between leaves a document that cannot be found; the same call
        again removes it, and so does the repair.

        Parameters
        ----------
        person
            Who deletes it; ``None`` for a service that was given a ticket for this very document.
        batch
            Number of documents that the caller is about to delete.
        replaced_by
            Id of the document that has taken its place. If that one is ready and has the same name in the
            same persona, nothing is lost and the removal does not count as a deletion. A service may delete
            what was not made of a file of Open WebUI in no other way.
        is_limited
            False for a removal that is no deletion: the document is restored after it.

        Raises
        ------
        DocumentMissing
            The tenant has none of that id.
        DocumentForeign
            It is somebody else's, and the person is no administrator of the tenant.
            Or a service asks, and the document was neither made of a file nor replaced.
        DeletionsHeld
            So many documents would be deleted within minutes that an administrator has to agree.
        DocumentBusy, LimitsUnavailable, WritesUnavailable
            Somebody else writes it, or Redis cannot say; it is as it was.
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`page`.
        """
        async with self._journal.hold(tenant, document_id) as lease:
            stored = await self._objects.find(tenant, document_id)
            if stored is None:
                raise DocumentMissing("The tenant has no document of that id.")
            if person and not (
                person.admin or await self._objects.owner(tenant, stored.key) == person.subject
            ):
                raise DocumentForeign("Only its owner and the tenant's administrators may delete a document.")
            removed_by = (person.email or person.subject) if person else SERVICE
            is_replaced = replaced_by is not None and await self._is_replaced(tenant, stored, replaced_by)
            if not (person or is_replaced or document_id.startswith(FILE_DOCUMENTS)):
                raise DocumentForeign(
                    "The document was not made of a file of Open WebUI, so a service may delete it only when "
                    "a newer one of its owner, name and persona is ready (`replacedBy`)."
                )
            if is_limited and not is_replaced:
                await self._deletions.admit(
                    tenant,
                    stored,
                    removed_by,
                    batch=batch,
                    count_stored=lambda: self._quota.count(tenant, lambda: self._objects.sizes(tenant)),
                )
            await lease.intend(Note(Task.DELETE, doomed=stored.stamp, removed_by=removed_by))
            await self.erase(tenant, stored, removed_by)
            await lease.settle()

    async def _is_replaced(self, tenant: Tenant, stored: StoredEntry, document_id: str) -> bool:
        """Return True if another document of the same owner, name and persona exists, and searches find it.

        It is stored later than one that was uploaded here: a version that is uploaded meanwhile is not lost.
        """
        other = await self._objects.find(tenant, document_id)
        if other is None or other.document_id == stored.document_id:
            return False
        if (other.persona_id, other.filename) != (stored.persona_id, stored.filename):
            return False
        is_file = stored.document_id.startswith(FILE_DOCUMENTS)
        if not is_file and stored.stamp.stored_at > other.stamp.stored_at:
            return False
        owners = [await self._objects.owner_of_stored(tenant, each.key) for each in (stored, other)]
        (entry,) = await self._describe(tenant, [other])
        return owners[0] == owners[1] and entry.state is DocumentState.READY

    async def erase(self, tenant: Tenant, stored: StoredEntry, removed_by: str) -> None:
        """Move a document from index, bucket and count to the trash, under a lease on it.

        Raises
        ------
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`page`.
        """
        await self._trash.keep(tenant, stored, removed_by)
        await self._vectors.remove(tenant, stored.document_id)
        await self._objects.delete(tenant, stored.key)
        try:
            await self._quota.release(tenant, stored.document_id)
        except LimitsUnavailable as exc:
            # It is deleted all the same, and the count is made anew from the bucket within minutes.
            self._log.warning("Cannot give the document's room back yet", error=exc.detail)

    async def _describe(self, tenant: Tenant, stored: Sequence[StoredEntry]) -> list[CatalogEntry]:
        document_ids = sorted({entry.document_id for entry in stored})
        standings = await self._journal.standings(tenant, document_ids)
        indexed = await self._vectors.indexed(tenant, document_ids)
        return [
            CatalogEntry(entry, indexed.get(entry.document_id), standings.get(entry.document_id, Standing()))
            for entry in stored
        ]
