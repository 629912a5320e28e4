"""Chunks as Qdrant's points, and back."""

import math
from collections.abc import Sequence
from datetime import datetime
from operator import mul
from typing import Any

from qdrant_client import models
from tenancy.model import Tenant
from tenancy.names import DENSE_VECTOR, LEXICAL_VECTOR, commit_marker_id, point_id

from .. import bm25
from ..models import Chunk, Document, Edition, IndexedDocument, Passage

__all__ = [
    "EMBEDDED_FIELDS",
    "HEAD_FIELDS",
    "chunk_id",
    "head_ids",
    "lexical",
    "similarity",
    "to_embedding",
    "to_indexed",
    "to_passage",
    "to_point",
]


HEAD_FIELDS = [
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
"""What of a head's payload describes its document."""


EMBEDDED_FIELDS = ["tenantId", "tenantUid", "text", "heading"]
"""Fields of a payload that make the embedded text, and the tenant, by which each point is checked."""


def to_point(tenant: Tenant, edition: Edition, number: int, vector: Sequence[float]) -> models.PointStruct:
    """Return the point of an edition's chunk."""
    return models.PointStruct(
        id=chunk_id(tenant, edition.document.document_id, edition.version, number),
        vector={
            DENSE_VECTOR: list(vector),
            LEXICAL_VECTOR: lexical(bm25.document_vector(edition.chunks[number].embedded_text)),
        },
        payload=_payload(tenant, edition, number),
    )


def chunk_id(tenant: Tenant, document_id: str, version: str, number: int) -> str:
    """Return the id of a chunk; the head's is the same in every version."""
    if number == 0:
        return commit_marker_id(tenant.id, tenant.uid, document_id)
    return point_id(tenant.id, tenant.uid, document_id, version, number)


def head_ids(tenant: Tenant, document_ids: Sequence[str]) -> list[str]:
    """Return the ids of documents' heads."""
    return [commit_marker_id(tenant.id, tenant.uid, document_id) for document_id in document_ids]


def to_passage(point: models.ScoredPoint | models.Record, score: float) -> Passage:
    """Return the passage that a point is."""
    payload = point.payload or {}
    return Passage(
        persona_id=payload["personaId"],
        document_id=payload["documentId"],
        filename=payload["filename"],
        page=payload["page"],
        chunk=payload["chunk"],
        text=payload["text"],
        score=score,
        # Points from before these fields were written are as good as others.
        version=payload.get("version", ""),
        heading=payload.get("heading", ""),
    )


def to_embedding(point: models.Record) -> tuple[str, Sequence[float]]:
    """Return the embedded text of a point and its vector."""
    payload = point.payload or {}
    vector: Any = point.vector[DENSE_VECTOR] if isinstance(point.vector, dict) else []
    return Chunk(payload["text"], heading=payload.get("heading", "")).embedded_text, vector


def to_indexed(payload: dict[str, Any]) -> IndexedDocument:
    """Return the document whose head has this payload."""
    document = Document(
        persona_id=payload["personaId"],
        document_id=payload["documentId"],
        filename=payload["filename"],
        sha256=payload["sha256"],
        created_at=datetime.fromisoformat(payload["createdAt"]),
        etag=payload.get("etag", ""),
    )
    return IndexedDocument(document, payload.get("version", ""), payload.get("chunks", 0))


def lexical(vector: bm25.SparseVector) -> models.SparseVector:
    """Return a sparse vector in Qdrant's form."""
    return models.SparseVector(indices=vector.indices, values=vector.values)


def similarity(vector: Sequence[float], point: models.ScoredPoint) -> float:
    """Return the cosine of a unit vector and a point's; Qdrant keeps points at length 1 for that measure."""
    own: Any = point.vector[DENSE_VECTOR] if isinstance(point.vector, dict) else [math.nan] * len(vector)
    return float(sum(map(mul, vector, own)))


def _payload(tenant: Tenant, edition: Edition, number: int) -> dict[str, Any]:
    document, chunk = edition.document, edition.chunks[number]
    # What is only known at the end stands in the head alone, which is written last.
    head = {"etag": document.etag} if number == 0 else {}
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
        "version": edition.version,
        "chunks": len(edition.chunks),
        **head,
    }
