"""Qdrant filters. Each requires the tenant's key and the uid of its Tenant."""

from collections.abc import Collection

from qdrant_client import models
from tenancy.model import Tenant

__all__ = ["build_tenant_filter", "exclude_versions"]


def build_tenant_filter(
    tenant: Tenant,
    *,
    persona_id: str | None = None,
    document_id: str | None = None,
    except_version: str | None = None,
) -> models.Filter:
    """Return the filter of a tenant's points, narrowed by the other arguments."""
    values = {
        "tenantId": tenant.key,
        "tenantUid": tenant.uid,
        "personaId": persona_id,
        "documentId": document_id,
    }
    must: list[models.Condition] = [
        _build_match(key, value) for key, value in values.items() if value is not None
    ]
    others: list[models.Condition] = (
        [] if except_version is None else [_build_match("version", except_version)]
    )
    return models.Filter(must=must, must_not=others or None)


def exclude_versions(filter_: models.Filter, stale: Collection[tuple[str, str]]) -> models.Filter:
    """Return a filter that also excludes versions of documents, as pairs of document id and version id."""
    excluded: list[models.Condition] = [
        models.Filter(must=[_build_match("documentId", document_id), _build_match("version", version)])
        for document_id, version in sorted(stale)
    ]
    return filter_.model_copy(update={"must_not": excluded or None})


def _build_match(key: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))
