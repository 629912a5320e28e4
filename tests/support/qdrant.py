"""The platform's Qdrant as its owner sees it: everything."""

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from qdrant_client import AsyncQdrantClient, models
from tenancy.names import COLLECTION
from tenantry_local.parts.services import gateway_env
from tenantry_local.platform import Platform

__all__ = ["count_points", "make_collection", "open_qdrant"]

DIMENSION = 768


@asynccontextmanager
async def open_qdrant(platform: Platform) -> AsyncIterator[AsyncQdrantClient]:
    """Open a client with the key that may do everything."""
    env = gateway_env(platform.context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # plain HTTP on 127.0.0.1
        client = AsyncQdrantClient(
            url=env["GATEWAY_QDRANT_URL"], api_key=env["GATEWAY_QDRANT_API_KEY"], check_compatibility=False
        )
    try:
        yield client
    finally:
        await client.close()


async def make_collection(qdrant: AsyncQdrantClient, name: str = COLLECTION) -> None:
    """Make a collection as the operator would; one that is there stays."""
    if await qdrant.collection_exists(name):
        return
    await qdrant.create_collection(name, models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE))
    tenant_index = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    await qdrant.create_payload_index(name, "tenantId", tenant_index)


async def count_points(qdrant: AsyncQdrantClient, tenant_key: str, collection: str = COLLECTION) -> int:
    """Return how many points carry a tenant's key."""
    own = models.FieldCondition(key="tenantId", match=models.MatchValue(value=tenant_key))
    return (await qdrant.count(collection, models.Filter(must=[own]))).count
