"""Ingest: a file becomes an object in S3 and points in Qdrant.

Order is what matters. First everything that can refuse the file: reading it, the quota, embedding it. Its
chunks are written meanwhile, where no search finds them. Then S3, the truth; then they become visible, all
at once. Whatever stops us in between leaves at worst chunks that nobody finds, or an object that is not
indexed, and a note in the journal by which a repair completes it or clears it away.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from tenancy.model import Tenant
from tenancy.names import document_id_for, object_key, parse_object_key
from tenancy.tickets import Ticket

from ..bedrock import Bedrock
from ..gather import gather_or_cancel
from ..limits.storage_quota import StorageQuota
from ..limits.usage import Counts, UsageLog
from ..models import Document, Edition
from ..objects import TenantObjects
from ..personas import require_persona
from ..problems import (
    DocumentBusy,
    DocumentExists,
    DocumentForeign,
    DocumentMissing,
    DocumentRefused,
    DocumentTooLarge,
    PersonaMissing,
)
from ..timings import RequestTimings
from ..vectors import Vectors
from .embeddings import digest
from .filenames import clean_filename
from .intents import Failure, Note, Task
from .journal import RETRY_SECONDS, Journal, Lease
from .reader import DocumentReader, Reading

__all__ = ["DocumentService", "Ingested"]

BATCH = 64
"""Chunks that are embedded and written together: about half a megabyte for the index."""

BATCHES = 3
"""Batches under way: Bedrock is busy while one is written, and what is in memory stays bounded."""


@dataclass(frozen=True)
class Ingested:
    """A document that is stored and indexed."""

    document: Document
    reading: Reading


class DocumentService:
    """Takes documents in.

    Parameters
    ----------
    journal
        Lets one write a document at a time: two contents of one document at once would leave a mixture of
        both, and an ingest beside a delete an index of what is gone.
    max_bytes
        Largest document.
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
    ) -> Ingested:
        """Store a person's file and index it. The same name in the same persona is the same document.

        Parameters
        ----------
        owner
            Subject of the person.

        Raises
        ------
        DocumentForeign
            A colleague's document has that name in that persona.
        DocumentExists
            The person's own document has it, and came through Open WebUI.
        PersonaMissing, FilenameRefused, DocumentRefused, QuotaExceeded, DocumentBusy
            Nothing was stored.
        LimitsUnavailable, WritesUnavailable
            Redis is away: nothing was stored, or what was stored is being completed.
        CollectionMissing, ModelUnavailable, RemoteUnavailable, RemoteRefused
            A backend failed: nothing was stored, or what was stored is being completed.
        """
        require_persona(tenant, persona_id)
        filename = clean_filename(filename)
        if len(content) > self._max_bytes:
            raise DocumentTooLarge(f"The file has more than {self._max_bytes} bytes.")
        document_id = document_id_for(tenant.id, persona_id, filename)
        key = object_key(tenant.id, persona_id, document_id, filename)
        async with self.writing(tenant, document_id) as lease:
            await self._require_own_name(tenant, key, persona_id, filename, owner)
            reading = await self._read(tenant, filename, content, timings)
            # Before it costs anything. What fails after this gives its room back within minutes.
            await self.admit(tenant, document_id, len(content))
            await lease.intend(Note(Task.INGEST))
            document = await _document(persona_id, document_id, filename, content, datetime.now(UTC))
            edition = await asyncio.to_thread(Edition.of, document, reading.chunks)
            head = await self._stage(tenant, edition, timings)
            with timings.measure("store"):
                stamp = await self._objects.put(
                    tenant, key, content, media_type=reading.format.media_type, owner=owner
                )
            document = await self._publish(tenant, edition.stored_as(stamp.etag), head, lease, timings)
            return Ingested(document, reading)

    async def index_stored(self, tenant: Tenant, ticket: Ticket, timings: RequestTimings) -> Ingested:
        """Index the document that a ticket names, as it is in S3.

        Raises
        ------
        PersonaMissing, DocumentMissing, DocumentBusy
            There is nothing to index, or somebody else does.
        DocumentRefused
            It cannot be indexed, and the journal says so from now on.
        WritesUnavailable, CollectionMissing, ModelUnavailable, RemoteUnavailable, RemoteRefused
            A backend failed; what was begun is being completed.
        """
        require_persona(tenant, ticket.persona_id)
        async with self.writing(tenant, ticket.document_id) as lease:
            return await self.index_object(tenant, ticket.object_key, lease, timings)

    async def index_object(
        self,
        tenant: Tenant,
        key: str,
        lease: Lease,
        timings: RequestTimings,
        *,
        embeddings: Mapping[bytes, Sequence[float]] | None = None,
    ) -> Ingested:
        """Index an object of the tenant as it is in S3, under a lease on its document.

        Parameters
        ----------
        embeddings
            Known embeddings by the digests of their texts; only others are asked for.

        Raises
        ------
        PersonaMissing, DocumentRefused
            It cannot be indexed, and the journal says so from now on.
        DocumentMissing, WritesUnavailable, CollectionMissing, ModelUnavailable, RemoteError
            As :meth:`index_stored`.
        ValueError
            The key is none of a document of this tenant.
        """
        names = parse_object_key(tenant.id, key)
        if names is None:
            raise ValueError(f"{key!r} is no document of {tenant.key}")
        persona_id, document_id, filename = names
        etag = ""
        try:
            require_persona(tenant, persona_id)
            with timings.measure("store"):
                stored = await self._objects.get(tenant, key, max_bytes=self._max_bytes)
            etag = stored.stamp.etag
            await lease.intend(lease.note or Note(Task.INGEST))
            reading = await self._read(tenant, filename, stored.content, timings)
        except (DocumentRefused, PersonaMissing) as exc:
            await lease.settle(Failure.of(exc, etag or await self._etag(tenant, document_id)))
            raise
        document = await _document(persona_id, document_id, filename, stored.content, stored.stamp.stored_at)
        edition = (await asyncio.to_thread(Edition.of, document, reading.chunks)).stored_as(etag)
        head = await self._stage(tenant, edition, timings, embeddings)
        document = await self._publish(tenant, edition, head, lease, timings)
        return Ingested(document, reading)

    async def admit(self, tenant: Tenant, document_id: str, size: int) -> None:
        """Reserve the room for a document in the tenant's quota.

        Raises
        ------
        QuotaExceeded, LimitsUnavailable
            See :meth:`~gateway.limits.storage_quota.StorageQuota.reserve`.
        """
        await self._quota.reserve(tenant, document_id, size, lambda: self._objects.sizes(tenant))

    @asynccontextmanager
    async def writing(self, tenant: Tenant, document_id: str) -> AsyncIterator[Lease]:
        """Hold the lease, unless there is a delete to complete first: it must not turn into an ingest.

        Raises
        ------
        DocumentBusy, WritesUnavailable
            See :meth:`.journal.Journal.hold`.
        """
        async with self._journal.hold(tenant, document_id) as lease:
            if lease.note and lease.note.task is Task.DELETE:
                raise DocumentBusy(
                    "A delete of the document was cut off and is being completed. Try again after that.",
                    retry_after=RETRY_SECONDS,
                )
            yield lease

    async def _require_own_name(
        self, tenant: Tenant, key: str, persona_id: str, filename: str, owner: str
    ) -> None:
        """Return when a person may store a document of that name under a key.

        A new version of their document may always be stored. A new document needs a name that no document
        has that came through Open WebUI.
        """
        stored_by = await self._objects.owner_of_stored(tenant, key)
        owners = {stored_by} - {None}
        if stored_by is None:
            files = await self._objects.find_files(tenant, persona_id, filename)
            owners = {await self._objects.owner_of_stored(tenant, each.key) for each in files} - {None}
        if owners - {owner}:
            raise DocumentForeign(
                "A colleague's document has this name in this persona. Send yours under another name, or "
                "ask its owner or one of the tenant's administrators to delete it first."
            )
        if stored_by is None and owners:
            raise DocumentExists(
                "Your document of this name in this persona came through Open WebUI. Upload the new version "
                "there, or delete that file first."
            )

    async def _read(self, tenant: Tenant, filename: str, content: bytes, timings: RequestTimings) -> Reading:
        with timings.measure("read"):
            return await self._reader.read(tenant.key, filename, content)

    async def _stage(
        self,
        tenant: Tenant,
        edition: Edition,
        timings: RequestTimings,
        known: Mapping[bytes, Sequence[float]] | None = None,
    ) -> Sequence[float]:
        """Embed all chunks, and write each batch while others are embedded; return the head's vector."""
        bound, tokens = asyncio.Semaphore(BATCHES), list[int]()

        async def stage(start: int) -> Sequence[float]:
            async with bound:
                texts = [chunk.embedded_text for chunk in edition.chunks[start : start + BATCH]]
                vectors = await self._embed(tenant, texts, known or {}, tokens)
                await self._vectors.stage(tenant, edition, start, vectors)
                return vectors[0]

        try:
            with timings.measure("embed"):
                firsts = await gather_or_cancel(map(stage, range(0, len(edition.chunks), BATCH)))
        finally:
            used = Counts(requests=len(tokens), embedding_tokens=sum(tokens))
            persona_id, model = edition.document.persona_id, self._bedrock.embedding_model
            self._usage.record(tenant, used, model=model, persona_id=persona_id)
        return firsts[0]

    async def _embed(
        self,
        tenant: Tenant,
        texts: Sequence[str],
        known: Mapping[bytes, Sequence[float]],
        tokens: list[int],
    ) -> list[Sequence[float]]:
        """Return one vector for each text: a known one, or a new one of the model."""
        vectors = [known.get(digest(text)) for text in texts]
        missing = [text for text, vector in zip(texts, vectors, strict=True) if vector is None]
        embed = self._bedrock.embed
        new = iter(await embed(missing, tenant_key=tenant.key, on_tokens=tokens.append) if missing else [])
        return [next(new) if vector is None else vector for vector in vectors]

    async def _publish(
        self, tenant: Tenant, edition: Edition, head: Sequence[float], lease: Lease, timings: RequestTimings
    ) -> Document:
        with timings.measure("index"):
            published = await self._vectors.publish(tenant, edition, head)
        await lease.settle()
        return published.document

    async def _etag(self, tenant: Tenant, document_id: str) -> str:
        """Return which content a document has that was refused before it was read."""
        entry = await self._objects.find(tenant, document_id)
        if entry is None:
            raise DocumentMissing("The document was deleted meanwhile.")
        return entry.stamp.etag


async def _document(
    persona_id: str, document_id: str, filename: str, content: bytes, created_at: datetime
) -> Document:
    # In a thread: the digest of the largest document takes longer than other requests may wait.
    digest = await asyncio.to_thread(hashlib.sha256, content)
    return Document(persona_id, document_id, filename, digest.hexdigest(), created_at)
