"""Fakes of the gateway's backends, which store their inputs and record their calls.

Embeddings are bags of words, so a search finds chunks that share words with the query.
"""

import hashlib
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from gateway.bedrock import Bedrock, ModelReply, Prompt
from gateway.bm25 import SparseVector
from gateway.models import Chunk, Document, DocumentVersion, IndexedDocument, Passage
from gateway.objects import ObjectVersion, StoredEntry, StoredObject, TenantObjects
from gateway.problems import DocumentMissing, DocumentTooLarge
from gateway.vectors import Vectors
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant
from tenancy.names import FILE_DOCUMENTS, build_tenant_prefix, parse_object_key

__all__ = ["STORED_AT", "FakeBedrock", "FakeObjects", "FakeVectors", "make_object_version"]

STORED_AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DIMENSION = 64


class FakeBedrock:
    """Fake Bedrock: embeds words by their hash, and answers with ``says``."""

    embedding_model = "the-embedder"

    def __init__(self) -> None:
        self.says = "Nothing."
        self.fails: Exception | None = None
        self.breaks_before = ""
        self.before_embedding: Callable[[str], Awaitable[None]] | None = None
        self.busy: set[str] = set()
        self.retired: dict[str, Exception] = {}
        self.prompts: list[Prompt] = []
        self.embedded: list[str] = []

    async def embed(
        self, texts: Sequence[str], *, tenant_key: str, on_tokens: Callable[[int], None] | None = None
    ) -> list[list[float]]:
        if self.fails:
            raise self.fails
        self.embedded += texts
        if on_tokens:
            on_tokens(sum(len(text.split()) for text in texts))
        return [_count_words(text) for text in texts]

    async def embed_query(
        self, text: str, *, tenant_key: str, on_tokens: Callable[[int], None]
    ) -> list[float]:
        if self.before_embedding:
            await self.before_embedding(text)
        (vector,) = await self.embed([text], tenant_key=tenant_key, on_tokens=on_tokens)
        return vector

    async def converse(self, prompt: Prompt) -> ModelReply:
        self._record(prompt)
        return ModelReply(self.says, prompt.model, input_tokens=7, output_tokens=3)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | ModelReply]:
        self._record(prompt)
        for piece in re.findall(r"\s*\S+", self.says):
            if self.breaks_before and self.breaks_before in piece:
                raise BackendUnavailable("bedrock", "converse-stream", "cut off by the test")
            yield piece
        yield ModelReply(self.says, prompt.model, input_tokens=7, output_tokens=3)

    def _record(self, prompt: Prompt) -> None:
        self.prompts.append(prompt)
        if prompt.model in self.retired:
            raise self.retired[prompt.model]
        if prompt.model in self.busy:
            raise BackendUnavailable("bedrock", "converse", "throttled")

    def cast_to_real_class(self) -> Bedrock:
        """Return the fake with the type of the real class."""
        return cast("Bedrock", self)


class FakeVectors:
    """Fake vector store: documents by tenant."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], tuple[Document, list[Chunk], list[Sequence[float]]]] = {}
        self.unpublished: dict[tuple[str, str], dict[int, Sequence[float]]] = {}
        self.fails: Exception | None = None
        self.searches: list[dict[str, Any]] = []
        self.deleted_stale: list[str] = []

    async def upsert_unpublished(
        self, tenant: Tenant, version: DocumentVersion, start: int, vectors: Sequence[Sequence[float]]
    ) -> None:
        staged = self.unpublished.setdefault((tenant.key, version.document.document_id), {})
        staged |= dict(enumerate(vectors, start))

    async def publish(
        self, tenant: Tenant, version: DocumentVersion, vector: Sequence[float]
    ) -> IndexedDocument:
        if self.fails:
            raise self.fails
        key = (tenant.key, version.document.document_id)
        staged = {**self.unpublished.pop(key), 0: vector}
        vectors = [staged[number] for number in range(len(version.chunks))]
        self.documents[key] = (version.document, list(version.chunks), vectors)
        return IndexedDocument(version.document, version.id, len(version.chunks))

    async def delete_stale(self, tenant: Tenant, published: IndexedDocument) -> None:
        self.deleted_stale.append(published.document.document_id)

    async def remove(self, tenant: Tenant, document_id: str) -> None:
        if self.fails:
            raise self.fails
        self.documents.pop((tenant.key, document_id), None)

    async def get_indexed(self, tenant: Tenant, document_ids: Collection[str]) -> dict[str, IndexedDocument]:
        return {
            document_id: IndexedDocument(document, "v", len(chunks))
            for (key, document_id), (document, chunks, _) in self.documents.items()
            if key == tenant.key and document_id in document_ids
        }

    async def iter_embeddings(
        self, tenant: Tenant, document_id: str
    ) -> AsyncGenerator[list[tuple[str, Sequence[float]]]]:
        _, chunks, vectors = self.documents.get((tenant.key, document_id), (None, [], []))
        yield [(chunk.embedded_text, vector) for chunk, vector in zip(chunks, vectors, strict=True)]

    async def search(
        self,
        tenant: Tenant,
        vector: Sequence[float],
        *,
        sparse: SparseVector | None,
        persona_id: str | None,
        limit: int,
        threshold: float,
    ) -> list[Passage]:
        self.searches.append(
            {
                "tenant": tenant.key,
                "sparse": sparse,
                "persona_id": persona_id,
                "limit": limit,
                "threshold": threshold,
            }
        )
        passages = [
            Passage(
                document.persona_id,
                document.document_id,
                document.filename,
                chunk.page,
                number,
                chunk.text,
                sum(a * b for a, b in zip(vector, stored, strict=True)),
            )
            for (key, _), (document, chunks, vectors) in self.documents.items()
            for number, (chunk, stored) in enumerate(zip(chunks, vectors, strict=True))
            if key == tenant.key and persona_id in (None, document.persona_id)
        ]
        return sorted(passages, key=lambda passage: -passage.score)[:limit]

    async def get_neighbours(
        self, tenant: Tenant, passages: Sequence[Passage]
    ) -> dict[tuple[str, int], Passage]:
        neighbours = {}
        for passage in passages:
            _, chunks, _ = self.documents[tenant.key, passage.document_id]
            for number in (passage.chunk - 1, passage.chunk + 1):
                if 0 <= number < len(chunks):
                    chunk = chunks[number]
                    neighbours[passage.document_id, number] = replace(
                        passage, chunk=number, text=chunk.text, page=chunk.page
                    )
        return neighbours

    def cast_to_real_class(self) -> Vectors:
        """Return the fake with the type of the real class."""
        return cast("Vectors", self)


class FakeObjects:
    """Fake object store: contents by key."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.owners: dict[str, str] = {}
        self.versions: dict[str, list[bytes]] = {}
        self.stored_at: dict[str, datetime] = {}
        """Time of an object's write, by key; :data:`STORED_AT` for all other objects."""

    async def get(self, tenant: Tenant, key: str, *, max_bytes: int) -> StoredObject:
        if key not in self.contents:
            raise DocumentMissing("It is not there.")
        if len(self.contents[key]) > max_bytes:
            raise DocumentTooLarge("It is too large.")
        return StoredObject(self.contents[key], make_object_version(self.contents[key]))

    async def put(
        self, tenant: Tenant, key: str, content: bytes, *, media_type: str, owner: str
    ) -> ObjectVersion:
        self.contents[key] = content
        self.owners[key] = owner
        return make_object_version(content)

    async def list_documents(
        self, tenant: Tenant, *, persona_id: str | None = None, after: str = "", limit: int = 1000
    ) -> list[StoredEntry]:
        prefix = build_tenant_prefix(tenant.id) + (f"{persona_id}/documents/" if persona_id else "")
        keys = sorted(key for key in self.contents if key.startswith(prefix) and key > after)
        return [self._get_entry(tenant, key) for key in keys][:limit]

    async def get_sizes(self, tenant: Tenant) -> dict[str, int]:
        return {each.document_id: each.size for each in await self.list_documents(tenant)}

    async def find(self, tenant: Tenant, document_id: str) -> StoredEntry | None:
        entries = await self.list_documents(tenant)
        return next((entry for entry in entries if entry.document_id == document_id), None)

    async def find_files(self, tenant: Tenant, persona_id: str, filename: str) -> list[StoredEntry]:
        return [
            entry
            for entry in await self.list_documents(tenant, persona_id=persona_id)
            if entry.document_id.startswith(FILE_DOCUMENTS) and entry.filename == filename
        ]

    async def find_owner(self, tenant: Tenant, key: str) -> str | None:
        return self.owners.get(key, "") if key in self.contents else None

    async def get_owner(self, tenant: Tenant, key: str) -> str:
        return self.owners.get(key, "")

    async def delete(self, tenant: Tenant, key: str) -> None:
        if (content := self.contents.pop(key, None)) is not None:
            self.versions.setdefault(key, []).append(content)

    def _get_entry(self, tenant: Tenant, key: str) -> StoredEntry:
        persona_id, document_id, filename = parse_object_key(tenant.id, key) or ("", "", "")
        version = make_object_version(self.contents[key])
        version = replace(version, stored_at=self.stored_at.get(key, version.stored_at))
        return StoredEntry(key, persona_id, document_id, filename, len(self.contents[key]), version)

    def cast_to_real_class(self) -> TenantObjects:
        """Return the fake with the type of the real class."""
        return cast("TenantObjects", self)


def make_object_version(content: bytes) -> ObjectVersion:
    """Return the version that :class:`FakeObjects` reports for a content."""
    return ObjectVersion(STORED_AT, f'"{hashlib.md5(content).hexdigest()}"')


def _count_words(text: str) -> list[float]:
    bag = [0.0] * DIMENSION
    for word in re.findall(r"\w+", text.casefold()):
        bag[hashlib.sha256(word.encode()).digest()[0] % DIMENSION] += 1.0
    length = math.hypot(*bag) or 1.0
    return [number / length for number in bag]
