"""Search of all systems for data of a tenant."""

from typing import Any

import httpx
import redis
from tenancy.names import (
    build_collection_name,
    build_group_path,
    build_tenant_key,
    build_tenant_prefix,
    is_tombstone,
)

from .context import Context
from .part import get_system_tls_context
from .parts.aws import BUCKET, Aws
from .parts.keycloak import REALM, Keycloak
from .parts.kubernetes import run_kubectl
from .parts.qdrant import Qdrant
from .parts.redis import Redis

__all__ = ["find_tenant_data"]


def find_tenant_data(context: Context, tenant_id: str) -> dict[str, Any]:
    """Return the data of a tenant that remains in each system, by system; empty if no data remains."""
    data_by_system = {
        "s3": _list_objects(context, tenant_id),
        "qdrant": _count_points(context, tenant_id),
        "keycloak": _find_group(context, tenant_id),
        "redis": _list_keys(context, tenant_id),
        "kubernetes": _find_namespace(context, tenant_id),
    }
    return {system: data for system, data in data_by_system.items() if data}


def _list_objects(context: Context, tenant_id: str) -> list[str]:
    pages = Aws(context).s3.get_paginator("list_object_versions")
    version_pages = pages.paginate(Bucket=BUCKET, Prefix=build_tenant_prefix(tenant_id))
    return [
        entry["Key"]
        for page in version_pages
        for entry in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
    ]


def _count_points(context: Context, tenant_id: str) -> int:
    part = Qdrant(context)
    own = {"must": [{"key": "tenantId", "match": {"value": build_tenant_key(tenant_id)}}]}
    names = [build_collection_name(tenant_id, dedicated=dedicated) for dedicated in (False, True)]
    # Over HTTP: the import of Qdrant's client takes longer than most commands of `tenantry`.
    with _open_client(part.url) as http:
        http.headers["api-key"] = part.api_key
        return sum(_count_collection_points(http, name, own) for name in names)


def _open_client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=20, verify=get_system_tls_context())


def _count_collection_points(http: httpx.Client, collection: str, conditions: dict[str, Any]) -> int:
    """Return the number of points that match conditions; 0 if the collection does not exist."""
    response = http.post(
        f"/collections/{collection}/points/count", json={"filter": conditions, "exact": True}
    )
    if response.status_code == httpx.codes.NOT_FOUND:
        return 0
    return int(response.raise_for_status().json()["result"]["count"])


def _find_group(context: Context, tenant_id: str) -> str:
    keycloak = Keycloak(context)
    with _open_client(keycloak.url) as http:
        http.headers["Authorization"] = f"Bearer {keycloak.fetch_admin_token(http)}"
        response = http.get(f"/admin/realms/{REALM}/group-by-path{build_group_path(tenant_id)}")
        return str(response.json()["path"]) if response.is_success else ""


def _list_keys(context: Context, tenant_id: str) -> list[str]:
    with redis.Redis.from_url(Redis(context).url_with_password, decode_responses=True) as client:
        keys = client.scan_iter(match=f"{build_tenant_key(tenant_id)}:*")
        return sorted(key for key in keys if not is_tombstone(key))


def _find_namespace(context: Context, tenant_id: str) -> str:
    return run_kubectl(
        context, "get", "namespace", build_tenant_key(tenant_id), "--ignore-not-found", "-o", "name"
    ).strip()
