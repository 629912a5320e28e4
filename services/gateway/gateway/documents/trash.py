"""Trash of removed documents, which their owners and the tenant's administrators may restore for a time.

S3 is the source of truth. A removed document is a noncurrent version of its object, and a record under the
tenant's prefix names that version. The record and the document's embeddings are stored before anything is
removed. The index has no data of a removed document. A restore copies the version and indexes it like an
upload, with the stored embeddings.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from tenancy.identity import Principal
from tenancy.model import Tenant
from tenancy.names import FILE_DOCUMENTS, build_object_key, build_removal_key, derive_document_id

from ..objects import Removal, StoredEntry, TenantObjects, TrashObjects
from ..personas import require_persona
from ..problems import DocumentExists, DocumentMissing, DocumentNotOwned, TrashedDocumentMissing
from ..timings import RequestTimings
from ..vectors import Vectors
from .embeddings import pack, unpack
from .intents import Intent, IntentKind
from .journal import WriteLease
from .service import DocumentService, IngestedDocument

__all__ = ["RemovalPage", "Trash"]

CONCURRENT_READS = 4
"""Records that one list reads concurrently."""

CONCURRENT_PACKS = 4
"""Removed documents whose embeddings are in memory at the same time: each has up to 30 MB."""

MAX_REMOVALS = 100
"""Maximum number of removals of one document that are read to find the latest removal."""


@dataclass(frozen=True)
class RemovalPage:
    """Page of removed documents; ``after`` is the key where the next page starts, empty on the last page."""

    removals: list[Removal]
    after: str


class Trash:
    """Keeps, lists and restores removed documents.

    Parameters
    ----------
    embedding
        Model and dimension of the index.
    retention
        Time during which a removed document can be restored.
    """

    def __init__(
        self,
        trash: TrashObjects,
        objects: TenantObjects,
        vectors: Vectors,
        documents: DocumentService,
        *,
        embedding: tuple[str, int],
        retention: timedelta,
    ) -> None:
        self._trash = trash
        self._objects = objects
        self._vectors = vectors
        self._documents = documents
        self._embedding = embedding
        self._packing = asyncio.Semaphore(CONCURRENT_PACKS)
        self._log = structlog.get_logger("gateway.documents")
        self.retention = retention

    async def record(self, tenant: Tenant, stored: StoredEntry, removed_by: str) -> None:
        """Store the record of a document that is about to be removed. A second run changes nothing.

        Raises
        ------
        DocumentMissing
            The document was deleted meanwhile.
        TenantNotReady, BackendUnavailable, BackendRefused
            A backend did not answer: the document must not be removed.
        """
        current = await self._trash.get_current(tenant, stored.key)
        if current is None:
            raise DocumentMissing("The document was deleted meanwhile.")
        if not current.version_id:
            self._log.error(
                "The bucket has no versioning, so a removed document cannot be restored; enable versioning",
                tenant=tenant.key,
            )
            return
        removal = Removal(
            document_id=stored.document_id,
            persona_id=stored.persona_id,
            filename=stored.filename,
            key=stored.key,
            version_id=current.version_id,
            size=stored.size,
            sha256=current.sha256,
            stored_at=stored.version.stored_at,
            owner=current.owner,
            removed_by=removed_by,
            removed_at=datetime.now(UTC),
        )
        # Keep the record of an interrupted attempt: the index may no longer have the embeddings.
        if await self._trash.get(tenant, removal.document_id, removal.id):
            return
        async with self._packing:
            batches = self._vectors.iter_embeddings(tenant, stored.document_id)
            if content := await pack(*self._embedding, batches):
                await self._trash.put_embeddings(tenant, removal, content)
        await self._trash.put(tenant, removal)

    async def list_page(self, person: Principal, *, after: str = "", limit: int) -> RemovalPage:
        """Return a page of the documents that a person may restore: for an administrator all, else their own.

        Reads at most ``limit`` records and filters them, so a page can be empty although more pages follow.

        Parameters
        ----------
        after
            Value of ``after`` in the previous page.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        tenant = person.tenant
        ids = await self._trash.list_ids(tenant, after=after, limit=limit)
        slots = asyncio.Semaphore(CONCURRENT_READS)

        async def load(document_id: str, removal_id: str) -> Removal | None:
            async with slots:
                removal = await self._trash.get(tenant, document_id, removal_id)
                if removal is None or self._is_expired(removal) or not _may_restore(person, removal):
                    return None
                current = await self._trash.get_current(tenant, removal.key)
                # If the recorded version is still current, the removal was interrupted: skip it.
                return None if current and current.version_id == removal.version_id else removal

        removals = await asyncio.gather(*(load(*names) for names in ids))
        return RemovalPage(
            [removal for removal in removals if removal],
            build_removal_key(tenant.id, tenant.uid, *ids[-1]) if len(ids) == limit else "",
        )

    def calculate_restorable_until(self, removal: Removal) -> datetime:
        """Return the time at which a document leaves the trash."""
        return removal.removed_at + self.retention

    async def restore(
        self, person: Principal, document_id: str, removal_id: str | None, timings: RequestTimings
    ) -> IngestedDocument:
        """Restore a removed document: when this returns, searches find it.

        A document from a file of Open WebUI becomes a document that is identified by its name. Its file is
        gone, so file-sync would delete it again.

        Parameters
        ----------
        removal_id
            Id of the removal; ``None`` for the latest removal that the person may restore.

        Raises
        ------
        TrashedDocumentMissing
            The trash does not have the document (any more).
        DocumentNotOwned
            The document belongs to another person, and the caller is not an administrator of the tenant.
        DocumentExists
            The persona has a document of that name.
        PersonaMissing, QuotaExceeded, DocumentBusy, DocumentRefused
            The document cannot be restored now and stays in the trash.
        LimitsUnavailable, WritesUnavailable, TenantNotReady, ModelUnavailable, BackendError
            A backend failed: the document stays in the trash, or a repair completes the restore.
        """
        tenant = person.tenant
        removal = await self._find(person, document_id, removal_id)
        if not _may_restore(person, removal):
            raise DocumentNotOwned("Only its owner and the tenant's administrators may restore a document.")
        require_persona(tenant, removal.persona_id)
        restored_id = _get_restored_id(tenant, removal)
        async with self._documents.lock(tenant, restored_id) as lease:
            # Another request may have restored the document before this one had the lease.
            removal = await self._find(person, document_id, removal.id)
            if await self._is_taken(tenant, removal, {restored_id, document_id}):
                raise DocumentExists(
                    f"The persona already has a document named {removal.filename}. Delete that one first: "
                    "it moves to the trash, too, and each can be restored by its `removalId`."
                )
            await self._documents.reserve_storage(tenant, restored_id, removal.size)
            await lease.begin(Intent(IntentKind.RESTORE, restored=(removal.document_id, removal.id)))
            key = build_object_key(tenant.id, removal.persona_id, restored_id, removal.filename)
            with timings.measure("store"):
                await self._trash.restore(tenant, removal, key)
            return await self.complete(tenant, key, lease, (removal.document_id, removal.id), timings)

    async def complete(
        self, tenant: Tenant, key: str, lease: WriteLease, restored: tuple[str, str], timings: RequestTimings
    ) -> IngestedDocument:
        """Index a document whose content was restored, and delete it from the trash.

        Raises
        ------
        DocumentRefused, PersonaMissing, BackendError, TenantryError
            See :meth:`~.service.DocumentService.index_object`.
        """
        # Without its record the document is an ordinary one; its embeddings are deleted after their use.
        await self._trash.delete_removal(tenant, *restored)
        content = await self._trash.get_embeddings(tenant, *restored)
        embeddings = await asyncio.to_thread(unpack, *self._embedding, content)
        ingested = await self._documents.index_object(tenant, key, lease, timings, embeddings=embeddings)
        await self._trash.delete_embeddings(tenant, *restored)
        return ingested

    async def expire(self, tenant: Tenant) -> int:
        """Delete expired records and embeddings; return the number of records.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        return await self._trash.delete_older(tenant, datetime.now(UTC) - self.retention)

    async def _find(self, person: Principal, document_id: str, removal_id: str | None) -> Removal:
        tenant = person.tenant
        if removal_id is None:
            listed = await self._trash.list_ids(tenant, document_id=document_id, limit=MAX_REMOVALS)
        else:
            listed = [(document_id, removal_id)]
        recorded = [removal for names in listed if (removal := await self._trash.get(tenant, *names))]
        held = [removal for removal in recorded if not self._is_expired(removal)]
        if not held:
            raise TrashedDocumentMissing("The trash holds no document of that id.")
        own = [removal for removal in held if _may_restore(person, removal)]
        return max(own or held, key=lambda removal: removal.removed_at)

    async def _is_taken(self, tenant: Tenant, removal: Removal, document_ids: Collection[str]) -> bool:
        """Return True if one of the documents exists, or the persona has another document of that name."""
        for document_id in document_ids:
            if await self._objects.find(tenant, document_id):
                return True
        return bool(await self._objects.find_files(tenant, removal.persona_id, removal.filename))

    def _is_expired(self, removal: Removal) -> bool:
        return datetime.now(UTC) >= self.calculate_restorable_until(removal)


def _may_restore(person: Principal, removal: Removal) -> bool:
    return person.admin or removal.owner == person.subject


def _get_restored_id(tenant: Tenant, removal: Removal) -> str:
    if removal.document_id.startswith(FILE_DOCUMENTS):
        return derive_document_id(tenant.id, removal.persona_id, removal.filename)
    return removal.document_id
