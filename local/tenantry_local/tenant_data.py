"""Search of all systems for data of a tenant."""

from typing import Any

import httpx
import redis
from qdrant_client import QdrantClient, models
from tenancy.names import collection_name, group_path, is_tombstone, tenant_key, tenant_prefix

from .context import Context
from .parts.aws import BUCKET, Aws
from .parts.keycloak import REALM, Keycloak
from .parts.kubernetes import kubectl
from .parts.qdrant import Qdrant
from .parts.redis import Redis

__all__ = ["find_tenant_data"]


def find_tenant_data(context: Context, tenant_id: str) -> dict[str, Any]:
    """Return the data that each system still holds for a tenant, by system; empty if there is none."""
    found = {
        "s3": _objects(context, tenant_id),
        "qdrant": _points(context, tenant_id),
        "keycloak": _group(context, tenant_id),
        "redis": _keys(context, tenant_id),
        "kubernetes": _namespace(context, tenant_id),
    }
    return {system: data for system, data in found.items() if data}


def _objects(context: Context, tenant_id: str) -> list[str]:
    pages = Aws(context).s3.get_paginator("list_object_versions")
    found = pages.paginate(Bucket=BUCKET, Prefix=tenant_prefix(tenant_id))
    return [
        entry["Key"]
        for page in found
        for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
    ]


def _points(context: Context, tenant_id: str) -> int:
    part = Qdrant(context)
    own = models.Filter(
        must=[models.FieldCondition(key="tenantId", match=models.MatchValue(value=tenant_key(tenant_id)))]
    )
    url = httpx.URL(part.url)
    # Not through `api_key`: the client warns of keys without TLS, and this one stays on 127.0.0.1.
    client = QdrantClient(url=part.url, port=url.port, metadata={"api-key": part.api_key}, timeout=20)
    try:
        names = [collection_name(tenant_id, dedicated=False), collection_name(tenant_id, dedicated=True)]
        there = [name for name in names if client.collection_exists(name)]
        return sum(client.count(name, count_filter=own).count for name in there)
    finally:
        client.close()


def _group(context: Context, tenant_id: str) -> str:
    keycloak = Keycloak(context)
    with httpx.Client(base_url=keycloak.url, timeout=20) as http:
        http.headers["Authorization"] = f"Bearer {keycloak.admin_token(http)}"
        answer = http.get(f"/admin/realms/{REALM}/group-by-path{group_path(tenant_id)}")
        return str(answer.json()["path"]) if answer.is_success else ""


def _keys(context: Context, tenant_id: str) -> list[str]:
    with redis.Redis.from_url(Redis(context).url_with_password, decode_responses=True) as client:
        found = client.scan_iter(match=f"{tenant_key(tenant_id)}:*")
        return sorted(key for key in found if not is_tombstone(key))


def _namespace(context: Context, tenant_id: str) -> str:
    return kubectl(
        context, "get", "namespace", tenant_key(tenant_id), "--ignore-not-found", "-o", "name"
    ).strip()
