"""Tenants for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenancy.model import Tenant
from tenancy.names import GROUP, VERSION
from tenantry_local.platform import Platform

from .apiserver import Tenants, admin_client

__all__ = ["ANEW", "PLENTY", "applied", "make_tenant", "tenant_manifest", "uid_of"]

PLENTY = {"queriesPerMinute": 100_000}
"""A quota for tests of something else: an attack that is stopped by a limit proves nothing."""

ANEW = {"cacheAnswers": False}
"""A model for tests of something else: an answer that was kept would say nothing of how it is made."""


def tenant_manifest(tenant_id: str, **spec: Any) -> dict[str, Any]:
    """Return a Tenant as one applies it; one persona, ``finance``, unless told otherwise."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Tenant",
        "metadata": {"name": tenant_id},
        "spec": {"displayName": tenant_id, "personas": [{"id": "finance", "displayName": "Finance"}], **spec},
    }


def uid_of(tenant_id: str) -> str:
    """Return the uid of a Tenant that :func:`make_tenant` made."""
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
    """Return a Tenant as services see it; ``collection`` is what its status names.

    Its uid is ``uid-{id}``, and it names the addresses ``*@{id}.example``, unless ``spec`` names others.
    ``prepared`` says whether its S3 prefix is known to be its own.
    """
    identity = {"emails": [f"*@{tenant_id}.example"], "admins": [f"admin@{tenant_id}.example"]}
    manifest = tenant_manifest(tenant_id, **({"identity": identity} | spec))
    manifest["metadata"]["uid"] = uid or uid_of(tenant_id)
    if deleting:
        manifest["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    status: dict[str, Any] = {}
    if prepared:
        status["storage"] = storage_status(tenant_id, manifest["metadata"]["uid"])
    if collection:
        status["vectors"] = {"collection": collection, "filter": {}}
    manifest["status"] = status
    return Tenant.from_object(manifest)


def storage_status(tenant_id: str, uid: str) -> dict[str, str]:
    """Return the section of a status that says that the S3 prefix is prepared for a Tenant."""
    return {"bucket": "documents", "prefix": f"tenant-{tenant_id}/", "tenantUid": uid}


@contextmanager
def applied(platform: Platform, *manifests: dict[str, Any]) -> Iterator[Tenants]:
    """Apply Tenants to the real API server, and take them away at the end, operator or not.

    Their storage is said to be prepared, as the operator would say.
    """
    with admin_client(platform) as api:
        tenants = Tenants(api)
        names = [manifest["metadata"]["name"] for manifest in manifests]
        try:
            for name, manifest in zip(names, manifests, strict=True):
                _take_away(tenants, name)  # of a run that was interrupted
                uid = tenants.create(manifest)["metadata"]["uid"]
                tenants.patch_status(name, {"status": {"storage": storage_status(name, uid)}})
            yield tenants
        finally:
            for name in names:
                _take_away(tenants, name)


def _take_away(tenants: Tenants, name: str) -> None:
    if tenants.get(name):
        tenants.patch(name, {"metadata": {"finalizers": None}})
    if tenants.get(name):
        tenants.delete(name)
