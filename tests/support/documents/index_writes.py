"""Direct writes of documents to an index, without an upload."""

from collections.abc import Sequence
from typing import Protocol

from gateway.models import Chunk, Document, DocumentVersion, IndexedDocument
from tenancy.model import Tenant

__all__ = ["publish"]


class Index(Protocol):
    """Interface of the real index and of the fake."""

    async def upsert_unpublished(
        self, tenant: Tenant, version: DocumentVersion, start: int, vectors: Sequence[Sequence[float]]
    ) -> None: ...

    async def publish(
        self, tenant: Tenant, version: DocumentVersion, vector: Sequence[float]
    ) -> IndexedDocument: ...


async def publish(
    index: Index,
    tenant: Tenant,
    document: Document,
    chunks: Sequence[Chunk],
    vectors: Sequence[Sequence[float]],
) -> IndexedDocument:
    """Write and publish a document with chunks and their vectors."""
    version = DocumentVersion.from_chunks(document, chunks)
    await index.upsert_unpublished(tenant, version, 0, vectors)
    return await index.publish(tenant, version, vectors[0])
