"""Conversion between chunks and Qdrant's points."""

import math
from collections.abc import Sequence
from datetime import datetime
from operator import mul
from typing import Any

from qdrant_client import models
from tenancy.model import Tenant
from tenancy.names import DENSE_VECTOR, LEXICAL_VECTOR, derive_commit_marker_id, derive_point_id

from .. import bm25
from ..models import Chunk, Document, DocumentVersion, IndexedDocument, Passage

__all__ = [
    "EMBEDDED_FIELDS",
    "MARKER_FIELDS",
    "calculate_cosine_similarity",
    "derive_chunk_id",
    "derive_commit_marker_ids",
    "to_embedding",
    "to_indexed",
    "to_passage",
    "to_point",
    "to_sparse_vector",
]


MARKER_FIELDS = [
    "tenantId",
    "tenantUid",
    "personaId",
    "documentId",
    "filename",
    "sha256",
    "createdAt",
    "etag",
    "version",
    "chunks",
]
"""Fields of a commit marker's payload that describe its document."""


EMBEDDED_FIELDS = ["tenantId", "tenantUid", "text", "heading"]
"""Payload fields of the embedded text, and the tenant's fields, by which each point is checked."""


def to_point(
    tenant: Tenant, version: DocumentVersion, number: int, vector: Sequence[float]
) -> models.PointStruct:
    """Return a chunk of a document version as a point."""
    return models.PointStruct(
        id=derive_chunk_id(tenant, version.document.document_id, version.id, number),
        vector={
            DENSE_VECTOR: list(vector),
            LEXICAL_VECTOR: to_sparse_vector(
                bm25.build_document_vector(version.chunks[number].embedded_text)
            ),
        },
        payload=_build_payload(tenant, version, number),
    )


def derive_chunk_id(tenant: Tenant, document_id: str, version_id: str, number: int) -> str:
    """Return the id of a chunk; the commit marker's id is the same in every version."""
    if number == 0:
        return derive_commit_marker_id(tenant.id, tenant.uid, document_id)
    return derive_point_id(tenant.id, tenant.uid, document_id, version_id, number)


def derive_commit_marker_ids(tenant: Tenant, document_ids: Sequence[str]) -> list[str]:
    """Return the ids of documents' commit markers."""
    return [derive_commit_marker_id(tenant.id, tenant.uid, document_id) for document_id in document_ids]


def to_passage(point: models.ScoredPoint | models.Record, score: float) -> Passage:
    """Return a point as a passage."""
    payload = point.payload or {}
    return Passage(
        persona_id=payload["personaId"],
        document_id=payload["documentId"],
        filename=payload["filename"],
        page=payload["page"],
        chunk=payload["chunk"],
        text=payload["text"],
        score=score,
        # A point that was written without these fields is valid, too.
        version_id=payload.get("version", ""),
        heading=payload.get("heading", ""),
    )


def to_embedding(point: models.Record) -> tuple[str, Sequence[float]]:
    """Return the embedded text of a point and its vector."""
    payload = point.payload or {}
    vector: Any = point.vector[DENSE_VECTOR] if isinstance(point.vector, dict) else []
    return Chunk(payload["text"], heading=payload.get("heading", "")).embedded_text, vector


def to_indexed(payload: dict[str, Any]) -> IndexedDocument:
    """Return the document whose commit marker has this payload."""
    document = Document(
        persona_id=payload["personaId"],
        document_id=payload["documentId"],
        filename=payload["filename"],
        sha256=payload["sha256"],
        created_at=datetime.fromisoformat(payload["createdAt"]),
        etag=payload.get("etag", ""),
    )
    return IndexedDocument(document, payload.get("version", ""), payload.get("chunks", 0))


def to_sparse_vector(vector: bm25.SparseVector) -> models.SparseVector:
    """Return a sparse vector in Qdrant's form."""
    return models.SparseVector(indices=vector.indices, values=vector.values)


def calculate_cosine_similarity(vector: Sequence[float], point: models.ScoredPoint) -> float:
    """Return the cosine of a unit vector and a point's vector, which Qdrant normalises to length 1."""
    own: Any = point.vector[DENSE_VECTOR] if isinstance(point.vector, dict) else [math.nan] * len(vector)
    return float(sum(map(mul, vector, own)))


def _build_payload(tenant: Tenant, version: DocumentVersion, number: int) -> dict[str, Any]:
    document, chunk = version.document, version.chunks[number]
    # The ETag is known only at the end: only the commit marker, which is written last, has it.
    marker = {"etag": document.etag} if number == 0 else {}
    return {
        "tenantId": tenant.key,
        "tenantUid": tenant.uid,
        "personaId": document.persona_id,
        "documentId": document.document_id,
        "chunk": number,
        "text": chunk.text,
        "heading": chunk.heading,
        "filename": document.filename,
        "page": chunk.page,
        "sha256": document.sha256,
        "createdAt": document.created_at.isoformat(),
        "version": version.id,
        "chunks": len(version.chunks),
        **marker,
    }
