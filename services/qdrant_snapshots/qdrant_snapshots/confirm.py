"""Removal of restored points that no Tenant and no document in the bucket confirms.

A snapshot contains what was deleted after it: Tenants, documents, and earlier versions of documents. Searches
read points only, so such points must be deleted before the gateway runs again.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tenancy.model import Tenant
from tenancy.names import build_tenant_prefix, parse_object_key

from .qdrant import QdrantCluster

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["delete_unconfirmed"]

FIELDS = ("tenantId", "tenantUid", "personaId", "documentId", "filename", "chunk", "etag")

BATCH_SIZE = 100
"""Documents that one call deletes."""

DocumentKey = tuple[str, str]
"""Uid of a Tenant, and id of a document."""

Content = tuple[str, str, str, str]
"""Tenant key, persona, file name and ETag of a document."""


def delete_unconfirmed(
    qdrant: QdrantCluster, s3: "S3Client", bucket: str, collection: str, tenants: Iterable[Tenant]
) -> tuple[int, int]:
    """Delete the points in a collection that no existing document confirms.

    A Tenant must have the uid in the document's points. The bucket must have its object, with the ETag in its
    first chunk.

    Returns
    -------
    tuple[int, int]
        Number of confirmed documents, and of documents whose points were deleted.
    """
    by_uid = {tenant.uid: tenant for tenant in tenants if tenant.uid and tenant.collection == collection}
    indexed = _list_indexed(qdrant, collection)
    stored = {
        (uid, document_id): content
        for uid in {uid for uid, _ in indexed} & by_uid.keys()
        for document_id, content in _list_stored(s3, bucket, by_uid[uid])
    }
    confirmed = {
        key for key, content in indexed.items() if content is not None and stored.get(key) == content
    }
    unknown = {"must_not": [{"key": "tenantUid", "match": {"any": sorted(by_uid)}}]}
    qdrant.delete_points(collection, unknown)
    for uid in by_uid:
        doomed = sorted(document_id for owner, document_id in indexed.keys() - confirmed if owner == uid)
        for start in range(0, len(doomed), BATCH_SIZE):
            _delete_documents(qdrant, collection, uid, doomed[start : start + BATCH_SIZE])
    return len(confirmed), len(indexed) - len(confirmed)


def _list_indexed(qdrant: QdrantCluster, collection: str) -> dict[DocumentKey, Content | None]:
    """Return the content of each document in a collection; ``None`` if its first chunk is missing."""
    indexed: dict[DocumentKey, Content | None] = {}
    for payload in qdrant.scroll_payloads(collection, FIELDS):
        key = (_read(payload, "tenantUid"), _read(payload, "documentId"))
        indexed.setdefault(key, None)
        if payload.get("chunk") == 0 and _read(payload, "etag"):
            indexed[key] = (
                _read(payload, "tenantId"),
                _read(payload, "personaId"),
                _read(payload, "filename"),
                _read(payload, "etag"),
            )
    return indexed


def _list_stored(s3: "S3Client", bucket: str, tenant: Tenant) -> Iterator[tuple[str, Content]]:
    """Yield the id and the content of each document of a tenant in the bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=build_tenant_prefix(tenant.id))
    for page in pages:
        for listed in page.get("Contents", []):
            if parsed := parse_object_key(tenant.id, listed["Key"]):
                persona_id, document_id, filename = parsed
                yield document_id, (tenant.key, persona_id, filename, listed["ETag"])


def _delete_documents(qdrant: QdrantCluster, collection: str, uid: str, document_ids: list[str]) -> None:
    conditions = [
        {"key": "tenantUid", "match": {"value": uid}},
        {"key": "documentId", "match": {"any": document_ids}},
    ]
    qdrant.delete_points(collection, {"must": conditions})


def _read(payload: Mapping[str, Any], field: str) -> str:
    return str(payload.get(field) or "")
