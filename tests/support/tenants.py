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


def make_tenant(
    tenant_id: str = "tenanta", *, collection: str | None = None, deleting: bool = False, **spec: Any
) -> Tenant:
    """Return a Tenant as services see it; ``collection`` is what its status names.

    Its uid is ``uid-{id}``, and it names the addresses ``*@{id}.example``, unless ``spec`` names others.
    """
    identity = {"emails": [f"*@{tenant_id}.example"], "admins": [f"admin@{tenant_id}.example"]}
    manifest = tenant_manifest(tenant_id, **({"identity": identity} | spec))
    manifest["metadata"]["uid"] = uid_of(tenant_id)
    if deleting:
        manifest["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z"
    if collection:
        manifest["status"] = {"vectors": {"collection": collection, "filter": {}}}
    return Tenant.from_object(manifest)


def uid_of(tenant_id: str) -> str:
    """Return the uid of a Tenant that :func:`make_tenant` made."""
    return f"uid-{tenant_id}"


@contextmanager
def applied(platform: Platform, *manifests: dict[str, Any]) -> Iterator[Tenants]:
    """Apply Tenants to the real API server, and take them away at the end, operator or not."""
    with admin_client(platform) as api:
        tenants = Tenants(api)
        names = [manifest["metadata"]["name"] for manifest in manifests]
        try:
            for name, manifest in zip(names, manifests, strict=True):
                _take_away(tenants, name)  # of a run that was interrupted
                tenants.create(manifest)
            yield tenants
        finally:
            for name in names:
                _take_away(tenants, name)


def _take_away(tenants: Tenants, name: str) -> None:
    if tenants.get(name):
        tenants.patch(name, {"metadata": {"finalizers": None}})
    if tenants.get(name):
        tenants.delete(name)
