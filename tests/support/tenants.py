"""Tenants for tests."""

from typing import Any

from tenancy.model import Tenant
from tenancy.names import GROUP, VERSION

__all__ = ["make_tenant", "tenant_manifest"]


def tenant_manifest(tenant_id: str, **spec: Any) -> dict[str, Any]:
    """Return a Tenant as one applies it; one persona, ``finance``, unless told otherwise."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Tenant",
        "metadata": {"name": tenant_id},
        "spec": {"displayName": tenant_id, "personas": [{"id": "finance", "displayName": "Finance"}], **spec},
    }


def make_tenant(
    tenant_id: str = "tenanta", *, collection: str | None = None, deleting: bool = False, **spec: Any
) -> Tenant:
    """Return a Tenant as services see it; ``collection`` is what its status names."""
    manifest = tenant_manifest(tenant_id, **spec)
    if deleting:
        manifest["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    if collection:
        manifest["status"] = {"vectors": {"collection": collection, "filter": {}}}
    return Tenant.from_object(manifest)
