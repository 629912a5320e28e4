"""Ingest of documents: a file becomes an object in S3 and points in Qdrant.

The order of the steps matters. First come all steps that can refuse the file: extraction, quota check and
embedding. During the embedding the chunks are written unpublished, so no search finds them. Then the object
is stored in S3, the source of truth. Then the chunks are published in one step. A crash between two steps
leaves at most unpublished chunks or an object that is not indexed. A repair finds the interrupted write by
its intent in the journal, and completes it or deletes its chunks.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from tenancy.model import Tenant
from tenancy.names import build_object_key, derive_document_id, parse_object_key
from tenancy.tickets import Ticket

from ..bedrock import Bedrock
from ..gather import gather_or_cancel
from ..limits.storage_quota import StorageQuota
from ..limits.usage import Counts, UsageLog
from ..models import Document, DocumentVersion
from ..objects import TenantObjects
from ..personas import require_persona
from ..problems import (
    DocumentBusy,
    DocumentExists,
    DocumentMissing,
    DocumentNotOwned,
    DocumentRefused,
    DocumentTooLarge,
    PersonaMissing,
)
from ..timings import RequestTimings
from ..vectors import Vectors
from .embeddings import hash_text
from .filenames import validate_filename
from .intents import IngestFailure, Intent, IntentKind
from .journal import RETRY_AFTER_SECONDS, Journal, WriteLease
from .reader import DocumentReader, ExtractedDocument

__all__ = ["DocumentService", "IngestedDocument"]

BATCH_SIZE = 64
"""Chunks that are embedded and written in one call: about half a megabyte for the index."""

CONCURRENT_BATCHES = 3
"""Batches in flight: while one batch is written, another is embedded. The number bounds the memory."""


@dataclass(frozen=True)
class IngestedDocument:
    """A stored and indexed document."""

    document: Document
    extracted: ExtractedDocument


class DocumentService:
    """Ingests documents.

    Parameters
    ----------
    journal
        Serialises the writes of a document. Two concurrent contents would leave a mixture of both, and an
        ingest during a delete would index a document that is gone.
    max_bytes
        Maximum size of a document.
    """

    def __init__(
        self,
        reader: DocumentReader,
        bedrock: Bedrock,
        objects: TenantObjects,
        vectors: Vectors,
        quota: StorageQuota,
        usage: UsageLog,
        journal: Journal,
        *,
        max_bytes: int,
    ) -> None:
        self._reader = reader
        self._bedrock = bedrock
        self._objects = objects
        self._vectors = vectors
        self._quota = quota
        self._usage = usage
        self._max_bytes = max_bytes
        self._journal = journal

    async def upload(
        self,
        tenant: Tenant,
        persona_id: str,
        filename: str,
        content: bytes,
        owner: str,
        timings: RequestTimings,
    ) -> IngestedDocument:
        """Store and index a person's file. The same name in the same persona is the same document.

        Parameters
        ----------
        owner
            Subject of the person.

        Raises
        ------
        DocumentNotOwned
            Another person's document has that name in that persona.
        DocumentExists
            The person's own document has that name and came through Open WebUI.
        PersonaMissing, FilenameRefused, DocumentRefused, QuotaExceeded, DocumentBusy
            Nothing was stored.
        LimitsUnavailable, WritesUnavailable
            Redis is unavailable: nothing was stored, or a repair completes the write.
        TenantNotReady, ModelUnavailable, BackendUnavailable, BackendRefused
            A backend failed: nothing was stored, or a repair completes the write.
        """
        require_persona(tenant, persona_id)
        filename = validate_filename(filename)
        if len(content) > self._max_bytes:
            raise DocumentTooLarge(f"The file has more than {self._max_bytes} bytes.")
        document_id = derive_document_id(tenant.id, persona_id, filename)
        key = build_object_key(tenant.id, persona_id, document_id, filename)
        async with self.lock(tenant, document_id) as lease:
            await self._require_own_name(tenant, key, persona_id, filename, owner)
            extracted = await self._extract(tenant, filename, content, timings)
            # Reserve before embeddings cost anything. After a failure the reservation expires within minutes.
            await self.reserve_storage(tenant, document_id, len(content))
            await lease.begin(Intent(IntentKind.INGEST))
            document = await _build_document(persona_id, document_id, filename, content, datetime.now(UTC))
            version = await asyncio.to_thread(DocumentVersion.from_chunks, document, extracted.chunks)
            marker_vector = await self._upsert_chunks(tenant, version, timings)
            with timings.measure("store"):
                stored = await self._objects.put(
                    tenant, key, content, media_type=extracted.format.media_type, owner=owner
                )
            version = version.replace_etag(stored.etag)
            document = await self._publish(tenant, version, marker_vector, lease, timings)
            return IngestedDocument(document, extracted)

    async def index_stored(self, tenant: Tenant, ticket: Ticket, timings: RequestTimings) -> IngestedDocument:
        """Index the document that a ticket names, with its content in S3.

        Raises
        ------
        PersonaMissing, DocumentMissing, DocumentBusy
            There is nothing to index, or another request writes the document.
        DocumentRefused
            The document cannot be indexed; the journal records the reason.
        WritesUnavailable, TenantNotReady, ModelUnavailable, BackendUnavailable, BackendRefused
            A backend failed; a repair completes the write.
        """
        require_persona(tenant, ticket.persona_id)
        async with self.lock(tenant, ticket.document_id) as lease:
            return await self.index_object(tenant, ticket.object_key, lease, timings)

    async def index_object(
        self,
        tenant: Tenant,
        key: str,
        lease: WriteLease,
        timings: RequestTimings,
        *,
        embeddings: Mapping[bytes, Sequence[float]] | None = None,
    ) -> IngestedDocument:
        """Index an object of the tenant, under a lease on its document.

        Parameters
        ----------
        embeddings
            Known embeddings by the digests of their texts; the model embeds only other texts.

        Raises
        ------
        PersonaMissing, DocumentRefused
            The object cannot be indexed; the journal records the reason.
        DocumentMissing, WritesUnavailable, TenantNotReady, ModelUnavailable, BackendError
            As :meth:`index_stored`.
        ValueError
            The key does not belong to a document of this tenant.
        """
        names = parse_object_key(tenant.id, key)
        if names is None:
            raise ValueError(f"{key!r} is not a document of {tenant.key}")
        persona_id, document_id, filename = names
        etag = ""
        try:
            require_persona(tenant, persona_id)
            with timings.measure("store"):
                stored = await self._objects.get(tenant, key, max_bytes=self._max_bytes)
            etag = stored.version.etag
            await lease.begin(lease.intent or Intent(IntentKind.INGEST))
            extracted = await self._extract(tenant, filename, stored.content, timings)
        except (DocumentRefused, PersonaMissing) as exc:
            await lease.commit(
                IngestFailure.from_problem(exc, etag or await self._get_etag(tenant, document_id))
            )
            raise
        document = await _build_document(
            persona_id, document_id, filename, stored.content, stored.version.stored_at
        )
        version = (
            await asyncio.to_thread(DocumentVersion.from_chunks, document, extracted.chunks)
        ).replace_etag(etag)
        marker_vector = await self._upsert_chunks(tenant, version, timings, embeddings)
        document = await self._publish(tenant, version, marker_vector, lease, timings)
        return IngestedDocument(document, extracted)

    async def reserve_storage(self, tenant: Tenant, document_id: str, size: int) -> None:
        """Reserve storage for a document in the tenant's quota.

        Raises
        ------
        QuotaExceeded, LimitsUnavailable
            See :meth:`~gateway.limits.storage_quota.StorageQuota.reserve`.
        """
        await self._quota.reserve(tenant, document_id, size, lambda: self._objects.get_sizes(tenant))

    @asynccontextmanager
    async def lock(self, tenant: Tenant, document_id: str) -> AsyncIterator[WriteLease]:
        """Hold the lease on a document; refuse while an interrupted delete of it must be completed.

        Raises
        ------
        DocumentBusy, WritesUnavailable
            See :meth:`.journal.Journal.acquire`.
        """
        async with self._journal.acquire(tenant, document_id) as lease:
            if lease.intent and lease.intent.kind is IntentKind.DELETE:
                raise DocumentBusy(
                    "A delete of the document was interrupted and is being completed. Try again after that.",
                    retry_after=RETRY_AFTER_SECONDS,
                )
            yield lease

    async def _require_own_name(
        self, tenant: Tenant, key: str, persona_id: str, filename: str, owner: str
    ) -> None:
        """Check that a person may store a document of that name under a key.

        A person may always store a new version of their document. A new document must not have the name of a
        document that came through Open WebUI.
        """
        stored_by = await self._objects.find_owner(tenant, key)
        owners = {stored_by} - {None}
        if stored_by is None:
            files = await self._objects.find_files(tenant, persona_id, filename)
            owners = {await self._objects.find_owner(tenant, file.key) for file in files} - {None}
        if owners - {owner}:
            raise DocumentNotOwned(
                "A colleague's document has this name in this persona. Send yours under another name, or "
                "ask its owner or one of the tenant's administrators to delete it first."
            )
        if stored_by is None and owners:
            raise DocumentExists(
                "Your document of this name in this persona came through Open WebUI. Upload the new version "
                "there, or delete that file first."
            )

    async def _extract(
        self, tenant: Tenant, filename: str, content: bytes, timings: RequestTimings
    ) -> ExtractedDocument:
        with timings.measure("read"):
            return await self._reader.read(tenant.key, filename, content)

    async def _upsert_chunks(
        self,
        tenant: Tenant,
        version: DocumentVersion,
        timings: RequestTimings,
        known_embeddings: Mapping[bytes, Sequence[float]] | None = None,
    ) -> Sequence[float]:
        """Embed and write all chunks in concurrent batches; return the commit marker's vector."""
        slots, tokens = asyncio.Semaphore(CONCURRENT_BATCHES), list[int]()

        async def upsert(start: int) -> Sequence[float]:
            async with slots:
                texts = [chunk.embedded_text for chunk in version.chunks[start : start + BATCH_SIZE]]
                vectors = await self._embed(tenant, texts, known_embeddings or {}, tokens)
                await self._vectors.upsert_unpublished(tenant, version, start, vectors)
                return vectors[0]

        try:
            with timings.measure("embed"):
                firsts = await gather_or_cancel(map(upsert, range(0, len(version.chunks), BATCH_SIZE)))
        finally:
            used = Counts(requests=len(tokens), embedding_tokens=sum(tokens))
            persona_id, model = version.document.persona_id, self._bedrock.embedding_model
            self._usage.record(tenant, used, model=model, persona_id=persona_id)
        return firsts[0]

    async def _embed(
        self,
        tenant: Tenant,
        texts: Sequence[str],
        known_embeddings: Mapping[bytes, Sequence[float]],
        tokens: list[int],
    ) -> list[Sequence[float]]:
        """Return one vector for each text: the known vector, or else a vector from the model."""
        vectors = [known_embeddings.get(hash_text(text)) for text in texts]
        missing = [text for text, vector in zip(texts, vectors, strict=True) if vector is None]
        embed = self._bedrock.embed
        new = iter(await embed(missing, tenant_key=tenant.key, on_tokens=tokens.append) if missing else [])
        return [next(new) if vector is None else vector for vector in vectors]

    async def _publish(
        self,
        tenant: Tenant,
        version: DocumentVersion,
        marker_vector: Sequence[float],
        lease: WriteLease,
        timings: RequestTimings,
    ) -> Document:
        with timings.measure("index"):
            published = await self._vectors.publish(tenant, version, marker_vector)
        await lease.commit()
        return published.document

    async def _get_etag(self, tenant: Tenant, document_id: str) -> str:
        """Return the ETag of a document that was refused before it was read."""
        entry = await self._objects.find(tenant, document_id)
        if entry is None:
            raise DocumentMissing("The document was deleted meanwhile.")
        return entry.version.etag


async def _build_document(
    persona_id: str, document_id: str, filename: str, content: bytes, created_at: datetime
) -> Document:
    # Use a thread: the digest of the largest document takes longer than other requests may wait.
    digest = await asyncio.to_thread(hashlib.sha256, content)
    return Document(persona_id, document_id, filename, digest.hexdigest(), created_at)
