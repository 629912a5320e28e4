"""Helpers for the platform's Qdrant, with its admin key."""

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qdrant_client import AsyncQdrantClient, models
from tenancy.names import COLLECTION
from tenant_operator.parts.vectors import VectorsPart
from tenantry_local.parts.services import build_gateway_env
from tenantry_local.platform import Platform

from tests.support.tenants.manifests import make_tenant

__all__ = ["accept_any_version", "count_points", "delete_points", "make_collection", "open_qdrant"]


@asynccontextmanager
async def open_qdrant(platform: Platform) -> AsyncIterator[AsyncQdrantClient]:
    """Open a client with the admin key."""
    env = build_gateway_env(platform.context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # plain HTTP on 127.0.0.1
        client = AsyncQdrantClient(
            url=env["GATEWAY_QDRANT_URL"], api_key=env["GATEWAY_QDRANT_API_KEY"], check_compatibility=False
        )
    try:
        yield client
    finally:
        await client.close()


async def accept_any_version() -> None:
    """Accept Qdrant without a check."""


async def make_collection(qdrant: AsyncQdrantClient, *, dedicated_to: str = "") -> None:
    """Create the shared collection or that of one tenant, with the operator's code."""
    tenant = make_tenant(dedicated_to or "any", tier="dedicated" if dedicated_to else "pooled")
    part = VectorsPart(qdrant, accept_any_version)
    await part.ensure(tenant, await part.observe(tenant))


async def count_points(qdrant: AsyncQdrantClient, tenant_key: str, collection: str = COLLECTION) -> int:
    """Return the number of points with a tenant's key."""
    own = models.FieldCondition(key="tenantId", match=models.MatchValue(value=tenant_key))
    return (await qdrant.count(collection, models.Filter(must=[own]))).count


async def delete_points(qdrant: AsyncQdrantClient, tenant_key: str, collection: str = COLLECTION) -> None:
    """Delete all points with a tenant's key."""
    own = models.FieldCondition(key="tenantId", match=models.MatchValue(value=tenant_key))
    await qdrant.delete(collection, models.FilterSelector(filter=models.Filter(must=[own])))
