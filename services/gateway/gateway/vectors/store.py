"""Writes and searches of chunks in Qdrant, each for one tenant."""

import asyncio
import functools
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import aiohttp
import httpx
import structlog
from httpx_aiohttp import AiohttpTransport
from joserfc.jwk import OctKey
from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from servicekit.remote import FailureClass, Remote
from tenancy.model import Tenant
from tenancy.names import COLLECTION, DENSE_VECTOR, LEXICAL_VECTOR

from ..bm25 import SparseVector
from ..metrics import CROSS_TENANT_HITS
from ..models import DocumentVersion, IndexedDocument, Passage
from ..problems import DimensionMismatch, TenantNotReady
from .access import limit_token_scope, sign_token
from .filters import build_tenant_filter, exclude_versions
from .points import (
    EMBEDDED_FIELDS,
    MARKER_FIELDS,
    calculate_cosine_similarity,
    derive_chunk_id,
    derive_commit_marker_ids,
    to_embedding,
    to_indexed,
    to_passage,
    to_point,
    to_sparse_vector,
)
from .stale_filter import StaleFilter

__all__ = ["Vectors"]

T = TypeVar("T")

CALL_TIMEOUT_SECONDS = 5.0
CONCURRENCY = 64

MIN_CANDIDATES = 50
"""Passages that dense and lexical search each contribute to their fusion; more if ``limit`` is higher."""

SCROLL_PAGE_SIZE = 32
"""Points that one call returns with their vectors: some milliseconds to parse."""

MAX_SEARCH_ROUNDS = 4
"""Maximum number of rounds of one search; a round excludes the stale versions that earlier rounds found."""


class Vectors:
    """Stores and searches chunks.

    Parameters
    ----------
    url
        Qdrant's REST address.
    api_key
        Qdrant's key, which signs tokens and never leaves this process. Empty if Qdrant requires none.
    verify
        TLS verification of Qdrant's certificate, as httpx takes it.
    dimension
        Length of the vectors.
    write_fence
        Context manager that is entered around every write of published chunks; it may refuse the write.
    require_supported
        Raises unless Qdrant keeps the word weights of tenants apart; called before every lexical search.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: SecretStr,
        verify: ssl.SSLContext | bool = True,
        dimension: int,
        write_fence: Callable[[Tenant], AbstractAsyncContextManager[None]],
        require_supported: Callable[[], Awaitable[None]],
    ) -> None:
        self._dimension = dimension
        self._write_fence = write_fence
        self._require_supported = require_supported
        self._remote = Remote("qdrant", _classify, timeout=CALL_TIMEOUT_SECONDS, concurrency=CONCURRENCY)
        self._log = structlog.get_logger("gateway.vectors")
        key = OctKey.import_key(api_key.get_secret_value()) if api_key.get_secret_value() else None
        with warnings.catch_warnings():
            # Plain HTTP behind a network policy is a valid choice of the operator.
            warnings.simplefilter("ignore", UserWarning)
            self._client = AsyncQdrantClient(
                url=url,
                port=_get_port(url),
                auth_token_provider=(lambda: sign_token(key)) if key else None,
                timeout=int(CALL_TIMEOUT_SECONDS),
                # The client's check only warns, in a thread without our CA. `require_supported` refuses.
                check_compatibility=False,
                # httpx' pool checks every connection for every request: under load, that is half of the cost
                # of a search (docs/decisions/0039-qdrant-through-aiohttp.md).
                transport=AiohttpTransport(verify=verify, limits=httpx.Limits(max_connections=CONCURRENCY)),
            )

    async def check(self) -> None:
        """Check that the shared collection has the right dimension, if it exists.

        Raises
        ------
        DimensionMismatch
            The collection's vectors have another length.
        BackendUnavailable, BackendRefused
            Qdrant did not answer, or refused the key.
        """
        try:
            info = await self._call(COLLECTION, "r", "info", lambda: self._client.get_collection(COLLECTION))
        except TenantNotReady:
            return
        vectors = info.config.params.vectors
        dense = vectors.get(DENSE_VECTOR) if isinstance(vectors, dict) else None
        size = dense.size if dense else None
        if size != self._dimension:
            raise DimensionMismatch(
                f"Collection {COLLECTION} holds {DENSE_VECTOR} vectors of {size} numbers, but "
                f"GATEWAY_EMBEDDING_DIMENSION is {self._dimension}. Set it to the collection's, or ingest "
                "into a new collection."
            )

    async def upsert_unpublished(
        self, tenant: Tenant, version: DocumentVersion, start: int, vectors: Sequence[Sequence[float]]
    ) -> None:
        """Write the chunks of a version from number ``start`` on. Searches ignore them until it is published.

        The commit marker is left to :meth:`publish`. A second run changes nothing.

        Parameters
        ----------
        vectors
            Vectors of the chunks; at most some hundred, because one call writes them all.

        Raises
        ------
        TenantNotReady
            The operator has not created the tenant's collection yet.
        BackendUnavailable, BackendRefused
            Qdrant did not answer, or refused the call.
        """

        def build_points() -> list[models.PointStruct]:
            numbered = enumerate(vectors, start)
            return [to_point(tenant, version, number, vector) for number, vector in numbered if number > 0]

        # Use a thread: counting the words of a batch takes some tens of milliseconds.
        if upserted := await asyncio.to_thread(build_points):
            await self._upsert(tenant, upserted)

    async def publish(
        self, tenant: Tenant, version: DocumentVersion, vector: Sequence[float]
    ) -> IndexedDocument:
        """Commit a version of a document: all readers switch to it in one step.

        All other chunks of the version must have been written. ``vector`` belongs to the commit marker, which
        is written last. Until then readers find the complete old version. A second run changes nothing, or
        completes a run that was killed.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`upsert_unpublished`; or the write fence refused, and nothing was written.
        """
        published = IndexedDocument(version.document, version.id, len(version.chunks))
        async with self._write_fence(tenant):
            await self._upsert(tenant, [to_point(tenant, version, 0, vector)])
            await self.delete_stale(tenant, published)
        return published

    async def delete_stale(self, tenant: Tenant, published: IndexedDocument) -> None:
        """Delete the chunks of other versions of a document. Searches ignore them in any case.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`publish`.
        """
        document_id, version_id = published.document.document_id, published.version_id
        await self._delete(
            tenant, build_tenant_filter(tenant, document_id=document_id, except_version=version_id)
        )

    async def remove(self, tenant: Tenant, document_id: str) -> None:
        """Delete a document: first its commit marker, so that searches ignore the rest, then its chunks.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`publish`.
        """
        marker = models.Filter(
            must=[
                *(build_tenant_filter(tenant).must or []),
                models.HasIdCondition(has_id=list(derive_commit_marker_ids(tenant, [document_id]))),
            ]
        )
        async with self._write_fence(tenant):
            await self._delete(tenant, marker)
            await self._delete(tenant, build_tenant_filter(tenant, document_id=document_id))

    async def get_indexed(self, tenant: Tenant, document_ids: Collection[str]) -> dict[str, IndexedDocument]:
        """Return the documents that are in the index, by their ids.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`publish`.
        """
        if not document_ids:
            return {}
        call = functools.partial(
            self._client.retrieve,
            _get_collection(tenant),
            derive_commit_marker_ids(tenant, sorted(document_ids)),
            with_payload=MARKER_FIELDS,
        )
        markers = await self._call(_get_collection(tenant), "r", "retrieve", call)
        documents = [to_indexed(marker.payload or {}) for marker in markers if self._is_own(tenant, marker)]
        return {indexed.document.document_id: indexed for indexed in documents}

    async def iter_embeddings(
        self, tenant: Tenant, document_id: str
    ) -> AsyncIterator[list[tuple[str, Sequence[float]]]]:
        """Yield the embedded texts of a document with their vectors, in batches.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`publish`.
        """
        offset: Any = None
        while True:
            call = functools.partial(
                self._client.scroll,
                _get_collection(tenant),
                scroll_filter=build_tenant_filter(tenant, document_id=document_id),
                limit=SCROLL_PAGE_SIZE,
                offset=offset,
                with_payload=EMBEDDED_FIELDS,
                with_vectors=[DENSE_VECTOR],
            )
            points, offset = await self._call(_get_collection(tenant), "r", "scroll", call)
            yield [to_embedding(point) for point in points if self._is_own(tenant, point)]
            if offset is None:
                return

    async def search(
        self,
        tenant: Tenant,
        vector: Sequence[float],
        *,
        sparse: SparseVector | None,
        persona_id: str | None,
        limit: int,
        threshold: float,
    ) -> list[Passage]:
        """Return the tenant's chunks that match best, best first.

        Parameters
        ----------
        vector
            Dense vector of the query, of length 1.
        sparse
            Sparse vector of the query; both result lists are fused by rank. ``None`` for dense search alone.
        persona_id
            Search only this persona's documents; ``None`` for all documents of the tenant.
        limit
            Maximum number of passages.
        threshold
            Minimum cosine similarity.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`publish`.
        UnsupportedQdrant
            Qdrant would compute the weights of words from the points of all tenants.
        """
        if sparse is not None:
            await self._require_supported()
        own, stale_filter = build_tenant_filter(tenant, persona_id=persona_id), StaleFilter()
        build = (
            _build_dense_query
            if sparse is None
            else functools.partial(_build_hybrid_query, sparse=sparse, tenant=tenant)
        )
        for _ in range(MAX_SEARCH_ROUNDS):
            filter_ = exclude_versions(own, stale_filter.stale)
            arguments = build(vector, filter_=filter_, limit=limit, threshold=threshold)
            query = functools.partial(self._client.query_points, _get_collection(tenant), **arguments)
            points = (await self._call(_get_collection(tenant), "r", "search", query)).points
            passages = [
                to_passage(
                    point, point.score if sparse is None else calculate_cosine_similarity(vector, point)
                )
                for point in points
                if self._is_own(tenant, point)
            ]
            committed = await self._get_committed_versions(tenant, passages, stale_filter.stale_documents)
            if stale_filter.absorb(passages, committed, is_full=len(points) == arguments["limit"]):
                break
        return [passage for passage in stale_filter.best if passage.score >= threshold][:limit]

    async def get_neighbours(
        self, tenant: Tenant, passages: Sequence[Passage]
    ) -> dict[tuple[str, int], Passage]:
        """Return the chunks before and after passages, of the same versions, by document id and number.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            As :meth:`publish`.
        """
        ids = {
            derive_chunk_id(tenant, passage.document_id, passage.version_id, number)
            for passage in passages
            for number in (passage.chunk - 1, passage.chunk + 1)
            if number >= 0
        }
        if not ids:
            return {}
        call = functools.partial(
            self._client.retrieve, _get_collection(tenant), sorted(ids), with_payload=True
        )
        points = await self._call(_get_collection(tenant), "r", "retrieve", call)
        versions = {(passage.document_id, passage.version_id) for passage in passages}
        neighbours = [to_passage(point, 0.0) for point in points if self._is_own(tenant, point)]
        # The id of a commit marker is the same in every version.
        return {
            (neighbour.document_id, neighbour.chunk): neighbour
            for neighbour in neighbours
            if (neighbour.document_id, neighbour.version_id) in versions
        }

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
        self._remote.close()

    async def _get_committed_versions(
        self, tenant: Tenant, passages: Sequence[Passage], others: Collection[str]
    ) -> dict[str, str]:
        """Return the committed versions of the passages' documents and of ``others``, by document id."""
        # A commit marker among the passages names the version itself.
        committed = {passage.document_id: passage.version_id for passage in passages if passage.chunk == 0}
        document_ids = {passage.document_id for passage in passages} | set(others)
        indexed = await self.get_indexed(tenant, document_ids - committed.keys())
        return committed | {document_id: document.version_id for document_id, document in indexed.items()}

    async def _upsert(self, tenant: Tenant, points: list[models.PointStruct]) -> None:
        call = functools.partial(self._client.upsert, _get_collection(tenant), points, wait=True)
        await self._call(_get_collection(tenant), "rw", "upsert", call)

    async def _delete(self, tenant: Tenant, filter_: models.Filter) -> None:
        call = functools.partial(
            self._client.delete, _get_collection(tenant), models.FilterSelector(filter=filter_), wait=True
        )
        await self._call(_get_collection(tenant), "rw", "delete", call)

    async def _call(
        self, collection: str, access: str, operation: str, call: Callable[[], Awaitable[T]]
    ) -> T:
        """Make a call with a token for one collection, with ``access`` ``r`` or ``rw``."""
        with limit_token_scope(collection, access):
            try:
                return await self._remote.call(operation, call)
            except UnexpectedResponse as exc:
                raise TenantNotReady(
                    "The tenant's collection has not been made yet. Try again when its Tenant is Ready."
                ) from exc

    def _is_own(self, tenant: Tenant, point: models.ScoredPoint | models.Record) -> bool:
        """Return True if a point is the tenant's; False only if filter or index is broken."""
        payload = point.payload or {}
        own = (payload.get("tenantId"), payload.get("tenantUid")) == (tenant.key, tenant.uid)
        if not own:
            CROSS_TENANT_HITS.inc()
            self._log.error(
                "Dropped a point of another tenant: filter or index is broken", point=str(point.id)
            )
        return own


def _build_dense_query(
    vector: Sequence[float], *, filter_: models.Filter, limit: int, threshold: float
) -> dict[str, Any]:
    return {
        "query": list(vector),
        "using": DENSE_VECTOR,
        "query_filter": filter_,
        "limit": limit,
        "score_threshold": threshold,
        "with_payload": True,
    }


def _build_hybrid_query(
    vector: Sequence[float],
    *,
    sparse: SparseVector,
    tenant: Tenant,
    filter_: models.Filter,
    limit: int,
    threshold: float,
) -> dict[str, Any]:
    candidates = max(MIN_CANDIDATES, limit)
    # The IDF of a word is computed from the tenant's points only, not from the whole collection.
    own_idf = models.SearchParams(idf=models.IdfCorpusParams(corpus=build_tenant_filter(tenant)))
    prefetch = [
        models.Prefetch(query=list(vector), using=DENSE_VECTOR, filter=filter_, limit=candidates),
        models.Prefetch(
            query=to_sparse_vector(sparse),
            using=LEXICAL_VECTOR,
            filter=filter_,
            limit=candidates,
            params=own_idf,
        ),
    ]
    return {
        "prefetch": prefetch,
        "query": models.FusionQuery(fusion=models.Fusion.RRF),
        # The fusion does not return cosines, so the threshold is applied to its results.
        "limit": candidates if threshold > 0 else limit,
        "with_payload": True,
        "with_vectors": [DENSE_VECTOR],
    }


def _get_port(url: str) -> int:
    """Return the port of a URL; without one that of its scheme, and not 6333 as the client does."""
    parsed = httpx.URL(url)
    return parsed.port or (443 if parsed.scheme == "https" else 80)


def _get_collection(tenant: Tenant) -> str:
    """Return the collection that the Tenant's status names, because the operator may be moving the points."""
    return tenant.status.vectors.collection if tenant.status.vectors else tenant.collection


def _classify(exc: Exception) -> FailureClass | None:
    match exc:
        case UnexpectedResponse(status_code=404):
            return None  # no failure class: the collection does not exist, see Vectors._call
        case UnexpectedResponse(status_code=429) | ResourceExhaustedResponse():
            return FailureClass.BUSY
        case UnexpectedResponse(status_code=int(status)):
            return FailureClass.TRANSIENT if status == 408 or status >= 500 else FailureClass.PERMANENT
        case ResponseHandlingException(source=httpx.HTTPError() | aiohttp.ClientError()):
            return FailureClass.TRANSIENT
        case _:
            return None
