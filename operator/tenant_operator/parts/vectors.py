"""Operator part that keeps the tenant's collection in Qdrant, with indexes for fast filters by tenant.

Pooled tenants share one collection; a dedicated tenant has a separate collection. For each request the
gateway creates a key for the dedicated collection, and never stores the key.
"""

import functools
import ssl
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from servicekit.errors import BackendRefused
from servicekit.remote import FailureClass, Remote
from tenancy.errors import UnsupportedQdrant
from tenancy.model import Tenant, VectorsStatus
from tenancy.names import COLLECTION, DENSE_VECTOR, LEXICAL_VECTOR, build_collection_name

from ..part import EnsureResult

__all__ = ["DIMENSIONS", "INDEXES", "VectorsPart", "VectorsState", "connect", "plan"]

DIMENSIONS = 768
"""Length of an embedding in every collection: the first 768 of the 1,024 numbers that Titan returns."""

INDEXES = {"tenantId": True, "tenantUid": False, "personaId": False, "documentId": False}
"""Fields with a keyword index. True makes Qdrant store the points of one value together (``is_tenant``)."""

CALL_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class VectorsState:
    """Observed collection.

    ``dimensions`` is 0 for an absent collection. ``lexical`` is True for a collection with sparse vectors.
    """

    dimensions: int = 0
    lexical: bool = False
    indexes: frozenset[str] = frozenset()


def plan(observed: VectorsState) -> list[str]:
    """Return the names of the missing objects, in the order of their creation."""
    missing = [field for field in INDEXES if field not in observed.indexes]
    return missing if observed.dimensions else ["collection", *missing]


class VectorsPart:
    """Keeps the tenant's collection in Qdrant and its indexes.

    Parameters
    ----------
    client
        Client with a key that can manage collections; the caller closes it.
    require_supported
        Raises unless Qdrant keeps the word weights of tenants apart.
    """

    name = "vectors"
    after = ""
    section = VectorsStatus
    retained = ()

    def __init__(self, client: AsyncQdrantClient, require_supported: Callable[[], Awaitable[None]]) -> None:
        self._qdrant = client
        self._require_supported = require_supported
        self._remote = Remote("qdrant", classify, timeout=CALL_TIMEOUT_SECONDS)

    async def observe(self, tenant: Tenant) -> VectorsState:
        """Read the tenant's collection."""
        return await self._remote.call("get-collection", lambda: self._observe(tenant.collection))

    async def ensure(self, tenant: Tenant, observed: VectorsState) -> EnsureResult:
        """Create the collection and the indexes that are missing.

        Raises
        ------
        BackendRefused
            The collection exists with another vector size: no point of the tenant fits. Or Qdrant is too old.
        """
        try:
            await self._require_supported()
        except UnsupportedQdrant as exc:
            raise BackendRefused("qdrant", "check-server", exc.detail) from exc
        if observed.dimensions and (observed.dimensions, observed.lexical) != (DIMENSIONS, True):
            found = f"{max(observed.dimensions, 0)} numbers" + (
                "" if observed.lexical else " and no sparse vectors"
            )
            raise BackendRefused(
                "qdrant",
                "check-vectors",
                f"collection {tenant.collection} has vectors of {found}; {DENSE_VECTOR} vectors of "
                f"{DIMENSIONS} numbers and {LEXICAL_VECTOR} vectors are required; rename or delete it",
            )
        steps = plan(observed)
        for step in steps:
            await self._create(tenant.collection, step)
        bound = {"tenantId": tenant.key, "tenantUid": tenant.uid}
        filter_ = {"must": [{"key": key, "match": {"value": value}} for key, value in bound.items()]}
        status = {"collection": tenant.collection, "filter": filter_}
        return EnsureResult([f"create {step} in {tenant.collection}" for step in steps], status)

    async def remove(self, tenant: Tenant) -> None:
        """Delete every point with the tenant's key, of any uid, in any collection.

        An earlier Tenant of this name may have had another tier, and therefore another collection.
        """
        own = build_collection_name(tenant.id, dedicated=True)
        await self._remote.call("delete-points", lambda: self._delete_points(tenant))
        await self._remote.call("delete-collection", lambda: self._qdrant.delete_collection(own))

    async def count(self, tenant: Tenant) -> dict[str, int]:
        """Count the tenant's points in every collection, and its dedicated collection."""
        own = build_collection_name(tenant.id, dedicated=True)
        listed = await self._remote.call("list-collections", self._qdrant.get_collections)
        names = [collection.name for collection in listed.collections]
        points = 0
        for name in names:
            count = functools.partial(self._count_points, name, tenant)
            points += await self._remote.call("count-points", count)
        return {
            f"points with tenantId {tenant.key} in every collection": points,
            f"collections named {own}": names.count(own),
        }

    async def release(self, tenant: Tenant) -> None:
        """Delete all points: they are copies of documents, and no later Tenant of the name may find them."""
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

    async def _create(self, collection: str, step: str) -> None:
        if step == "collection":
            await self._remote.call("create-collection", lambda: self._create_collection(collection))
        else:
            schema = models.KeywordIndexParams(
                type=models.KeywordIndexType.KEYWORD, is_tenant=INDEXES[step] or None
            )
            await self._remote.call(
                "create-index", lambda: self._qdrant.create_payload_index(collection, step, schema, wait=True)
            )

    async def _create_collection(self, collection: str) -> None:
        try:
            await self._qdrant.create_collection(
                collection,
                vectors_config={
                    DENSE_VECTOR: models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
                },
                # Qdrant computes the IDF of a word at each search, from the points of one tenant.
                sparse_vectors_config={
                    LEXICAL_VECTOR: models.SparseVectorParams(modifier=models.Modifier.IDF)
                },
                # One HNSW graph per tenant, none for all:
                # https://qdrant.tech/documentation/guides/multiple-partitions/
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
            )
        except UnexpectedResponse as exc:
            # The reconcile of another Tenant created the shared collection concurrently.
            if exc.status_code != 409:
                raise

    async def _count_points(self, collection: str, tenant: Tenant) -> int:
        try:
            return (
                await self._qdrant.count(collection, count_filter=_build_tenant_filter(tenant), exact=True)
            ).count
        except UnexpectedResponse as exc:
            if exc.status_code == 404:  # the collection was deleted after the listing
                return 0
            raise

    async def _delete_points(self, tenant: Tenant) -> None:
        own = _build_tenant_filter(tenant)
        try:
            await self._qdrant.delete(COLLECTION, models.FilterSelector(filter=own), wait=True)
        except UnexpectedResponse as exc:
            if exc.status_code != 404:
                raise


def _build_tenant_filter(tenant: Tenant) -> models.Filter:
    return models.Filter(
        must=[models.FieldCondition(key="tenantId", match=models.MatchValue(value=tenant.key))]
    )


def connect(url: str, api_key: str, *, verify: ssl.SSLContext | bool = True) -> AsyncQdrantClient:
    """Open a client.

    Parameters
    ----------
    url
        Qdrant's REST address; without a port, the default port of its scheme is used.
    api_key
        May be empty.
    verify
        Verification of Qdrant's certificate, as in httpx.
    """
    parsed = httpx.URL(url)
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    with warnings.catch_warnings():
        # Without TLS inside a cluster, network policies or a mesh protect the connection; the key is needed
        # as well.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return AsyncQdrantClient(
            url=url,
            port=port,
            api_key=api_key or None,
            timeout=CALL_TIMEOUT_SECONDS,
            # The client's check only warns, in a thread without our CA. `require_supported` refuses.
            check_compatibility=False,
            verify=verify,
        )


def classify(exc: Exception) -> FailureClass | None:
    """Return the class of an error of the Qdrant client; ``None`` for an error of this program."""
    match exc:
        case UnexpectedResponse(status_code=status):
            code: Any = status or 0
            if code in (408, 429):
                return FailureClass.BUSY
            return FailureClass.TRANSIENT if code >= 500 else FailureClass.PERMANENT
        case ResponseHandlingException() | httpx.HTTPError() | OSError():
            return FailureClass.TRANSIENT
        case _:
            return None
