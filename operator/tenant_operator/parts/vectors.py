"""The tenant's place in Qdrant: its collection and the indexes that keep tenants apart quickly.

A pooled tenant shares one collection, so all that is made here is made for everybody, once. A dedicated
tenant has a collection of its own; the key that opens only that one is minted by the gateway per
request and never stored.
"""

import functools
import ssl
import warnings
from dataclasses import dataclass
from typing import Any

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from servicekit.errors import RemoteRefused
from servicekit.remote import Fault, Remote
from tenancy.model import Tenant
from tenancy.names import COLLECTION, DENSE_VECTOR, LEXICAL_VECTOR, collection_name

from ..part import Ensured, Leftovers

__all__ = ["DIMENSIONS", "INDEXES", "VectorsPart", "VectorsState", "connect", "plan"]

DIMENSIONS = 768
"""Length of an embedding in every collection (Titan's first 768 of 1,024)."""

INDEXES = {"tenantId": True, "tenantUid": False, "personaId": False, "documentId": False}
"""Keyword indexes, and whether each says which tenant a point is of: Qdrant then stores them together."""

CALL_SECONDS = 10


@dataclass(frozen=True)
class VectorsState:
    """A collection as Qdrant describes it.

    ``dimensions`` is 0 when there is no collection, and ``lexical`` says whether it takes words, too.
    """

    dimensions: int = 0
    lexical: bool = False
    indexes: frozenset[str] = frozenset()


def plan(observed: VectorsState) -> list[str]:
    """Return what is missing, in the order in which it must be made."""
    missing = [field for field in INDEXES if field not in observed.indexes]
    return missing if observed.dimensions else ["collection", *missing]


class VectorsPart:
    """Collections and indexes.

    Parameters
    ----------
    client
        Client with a key that may manage collections; the caller closes it.
    """

    name = "vectors"
    after = ""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._qdrant = client
        self._remote = Remote("qdrant", classify, timeout=CALL_SECONDS)

    async def observe(self, tenant: Tenant) -> VectorsState:
        """Look at the tenant's collection."""
        return await self._remote.call("get-collection", lambda: self._observe(tenant.collection))

    async def ensure(self, tenant: Tenant, observed: VectorsState) -> Ensured:
        """Make the collection and its indexes where they are missing.

        Raises
        ------
        RemoteRefused
            There is a collection, but for other vectors: nothing could be stored in it.
        """
        if observed.dimensions and (observed.dimensions, observed.lexical) != (DIMENSIONS, True):
            found = f"{max(observed.dimensions, 0)} numbers" + ("" if observed.lexical else " and no words")
            raise RemoteRefused(
                "qdrant",
                "check-vectors",
                f"collection {tenant.collection} holds vectors of {found}; {DENSE_VECTOR} vectors of "
                f"{DIMENSIONS} numbers and {LEXICAL_VECTOR} vectors are needed; move it out of the way",
            )
        steps = plan(observed)
        for step in steps:
            await self._make(tenant.collection, step)
        bound = {"tenantId": tenant.key, "tenantUid": tenant.uid}
        filter_ = {"must": [{"key": key, "match": {"value": value}} for key, value in bound.items()]}
        status = {"collection": tenant.collection, "filter": filter_}
        return Ensured([f"create {step} in {tenant.collection}" for step in steps], status)

    async def remove(self, tenant: Tenant) -> None:
        """Delete every point of the tenant key, whatever its uid and wherever it is.

        The tier says where points are written now, and nothing of where an earlier Tenant of this name, or of
        another tier, has left some.
        """
        own = collection_name(tenant.id, dedicated=True)
        await self._remote.call("delete-points", lambda: self._delete_points(tenant))
        await self._remote.call("delete-collection", lambda: self._qdrant.delete_collection(own))

    async def count(self, tenant: Tenant) -> Leftovers:
        """Count the tenant's points in every collection, and its own collection."""
        own = collection_name(tenant.id, dedicated=True)
        listed = await self._remote.call("list-collections", self._qdrant.get_collections)
        names = [collection.name for collection in listed.collections]
        points = 0
        for name in names:
            count = functools.partial(self._count_points, name, tenant)
            points += await self._remote.call("count-points", count)
        return Leftovers(
            {
                f"points with tenantId {tenant.key} in every collection": points,
                f"collections named {own}": names.count(own),
            }
        )

    async def forget(self, tenant: Tenant) -> None:
        """Delete them all the same: they are copies of documents, and no later Tenant may find them."""
        await self.remove(tenant)

    async def _observe(self, collection: str) -> VectorsState:
        try:
            info = await self._qdrant.get_collection(collection)
        except UnexpectedResponse as exc:
            if exc.status_code == 404:
                return VectorsState()
            raise
        vectors, sparse = info.config.params.vectors, info.config.params.sparse_vectors
        dense = vectors.get(DENSE_VECTOR) if isinstance(vectors, dict) else vectors
        return VectorsState(
            dense.size if dense else -1, LEXICAL_VECTOR in (sparse or {}), frozenset(info.payload_schema)
        )

    async def _make(self, collection: str, step: str) -> None:
        if step == "collection":
            await self._remote.call("create-collection", lambda: self._create(collection))
        else:
            schema = models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, is_tenant=INDEXES[step] or None
            )
            await self._remote.call(
                "create-index", lambda: self._qdrant.create_payload_index(collection, step, schema, wait=True)
            )

    async def _create(self, collection: str) -> None:
        try:
            await self._qdrant.create_collection(
                collection,
                vectors_config={
                    DENSE_VECTOR: models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
                },
                # What a word is worth (its IDF) is Qdrant's to say at each search, from one tenant's points.
                sparse_vectors_config={
                    LEXICAL_VECTOR: models.SparseVectorParams(modifier=models.Modifier.IDF)
                },
                # No graph over all tenants, one for each: https://qdrant.tech/documentation/guides/multiple-partitions/
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
            )
        except UnexpectedResponse as exc:
            # Another Tenant's reconcile made the shared collection a moment ago.
            if exc.status_code != 409:
                raise

    async def _count_points(self, collection: str, tenant: Tenant) -> int:
        try:
            return (await self._qdrant.count(collection, count_filter=_points_of(tenant), exact=True)).count
        except UnexpectedResponse as exc:
            if exc.status_code == 404:  # deleted since it was listed
                return 0
            raise

    async def _delete_points(self, tenant: Tenant) -> None:
        own = _points_of(tenant)
        try:
            await self._qdrant.delete(COLLECTION, models.FilterSelector(filter=own), wait=True)
        except UnexpectedResponse as exc:
            if exc.status_code != 404:
                raise


def _points_of(tenant: Tenant) -> models.Filter:
    return models.Filter(
        must=[models.FieldCondition(key="tenantId", match=models.MatchValue(value=tenant.key))]
    )


def connect(url: str, api_key: str, *, verify: ssl.SSLContext | bool = True) -> AsyncQdrantClient:
    """Open a client.

    Parameters
    ----------
    url
        Qdrant's REST address. It may leave out the port when it is its scheme's own.
    api_key
        May be empty.
    verify
        What Qdrant's certificate is checked with, as httpx takes it.
    """
    parsed = httpx.URL(url)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    with warnings.catch_warnings():
        # Inside a cluster the link is protected by network policy or a mesh, and the key is wanted as well.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return AsyncQdrantClient(
            url=url,
            port=port,
            api_key=api_key or None,
            timeout=CALL_SECONDS,
            check_compatibility=False,
            verify=verify,
        )


def classify(exc: Exception) -> Fault | None:
    """Say what an error of the Qdrant client means for the next attempt."""
    match exc:
        case UnexpectedResponse(status_code=status):
            code: Any = status or 0
            if code in (408, 429):
                return Fault.BUSY
            return Fault.TRANSIENT if code >= 500 else Fault.PERMANENT
        case ResponseHandlingException() | httpx.HTTPError() | OSError():
            return Fault.TRANSIENT
        case _:
            return None
