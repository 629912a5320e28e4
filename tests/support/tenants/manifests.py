"""Tenants for tests: manifests, model objects, and Tenants in the API server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenancy.model import Tenant
from tenancy.names import GROUP, VERSION
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants, open_admin_client

__all__ = ["PLENTY", "UNCACHED", "apply_tenants", "make_tenant", "make_tenant_manifest", "make_uid"]

PLENTY = {"queriesPerMinute": 100_000}
"""Quota that no test reaches: an attack that is stopped by a limit proves nothing."""

UNCACHED = {"cacheAnswers": False}
"""Model without a cache of answers: a cached answer would hide how it is generated."""


def make_tenant_manifest(tenant_id: str, **spec: Any) -> dict[str, Any]:
    """Return a manifest of a Tenant; by default it has one persona, ``finance``."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Tenant",
        "metadata": {"name": tenant_id},
        "spec": {"displayName": tenant_id, "personas": [{"id": "finance", "displayName": "Finance"}], **spec},
    }


def make_uid(tenant_id: str) -> str:
    """Return the uid of a Tenant of :func:`make_tenant`."""
    return f"uid-{tenant_id}"


def make_tenant(
    tenant_id: str = "tenanta",
    *,
    uid: str = "",
    collection: str | None = None,
    deleting: bool = False,
    prepared: bool = True,
    **spec: Any,
) -> Tenant:
    """Return a Tenant as the services read it; ``collection`` is the collection in its status.

    Its uid is ``uid-{id}``, and its addresses are ``*@{id}.example`` unless ``spec`` has others. With
    ``prepared`` its status names the owner of its S3 prefix.
    """
    identity = {"emails": [f"*@{tenant_id}.example"], "admins": [f"admin@{tenant_id}.example"]}
    manifest = make_tenant_manifest(tenant_id, **({"identity": identity} | spec))
    manifest["metadata"]["uid"] = uid or make_uid(tenant_id)
    if deleting:
        manifest["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    status: dict[str, Any] = {}
    if prepared:
        status["storage"] = make_storage_status(tenant_id, manifest["metadata"]["uid"])
    if collection:
        status["vectors"] = {"collection": collection, "filter": {}}
    manifest["status"] = status
    return Tenant.from_object(manifest)


def make_storage_status(tenant_id: str, uid: str) -> dict[str, str]:
    """Return the section of a status in which the S3 prefix is prepared for a Tenant."""
    return {"bucket": "documents", "prefix": f"tenant-{tenant_id}/", "tenantUid": uid}


@contextmanager
def apply_tenants(platform: Platform, *manifests: dict[str, Any]) -> Iterator[Tenants]:
    """Apply Tenants to the real API server, and delete them at the end, without an operator.

    Their status names the owner of the S3 prefix, as after a reconcile.
    """
    with open_admin_client(platform) as api:
        tenants = Tenants(api)
        names = [manifest["metadata"]["name"] for manifest in manifests]
        try:
            for name, manifest in zip(names, manifests, strict=True):
                _delete(tenants, name)  # left by an interrupted run
                uid = tenants.create(manifest)["metadata"]["uid"]
                tenants.patch_status(name, {"status": {"storage": make_storage_status(name, uid)}})
            yield tenants
        finally:
            for name in names:
                _delete(tenants, name)


def _delete(tenants: Tenants, name: str) -> None:
    if tenants.get(name):
        tenants.patch(name, {"metadata": {"finalizers": None}})
    if tenants.get(name):
        tenants.delete(name)
