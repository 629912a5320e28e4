"""Writing and finding chunks, as one tenant at a time."""

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
from servicekit.remote import Fault, Remote
from tenancy.model import Tenant
from tenancy.names import COLLECTION, DENSE_VECTOR, LEXICAL_VECTOR

from ..bm25 import SparseVector
from ..metrics import FOREIGN_HITS
from ..models import DocumentVersion, IndexedDocument, Passage
from ..problems import CollectionMissing, DimensionMismatch
from .access import token_scope, sign
from .filters import exclude_versions, tenant_filter
from .points import (
    EMBEDDED_FIELDS,
    MARKER_FIELDS,
    chunk_id,
    commit_marker_ids,
    to_sparse_vector,
    cosine_similarity,
    to_embedding,
    to_indexed,
    to_passage,
    to_point,
)
from .stale_filter import StaleFilter

__all__ = ["Vectors"]

T = TypeVar("T")

CALL_SECONDS = 5.0
CONCURRENCY = 64

CANDIDATES = 50
"""Passages that dense and lexical search each bring to their fusion, and more where more are asked for."""

SCROLLED = 32
"""Points that are read with their vectors in one call: some milliseconds to parse."""

MOST_ROUNDS = 4
"""How often a search is made again without the versions that turned out not to count (any more)."""


class Vectors:
    """Stores and finds chunks.

    Parameters
    ----------
    url
        Qdrant's REST address.
    api_key
        Qdrant's key; it never leaves this process, it only signs tokens. Empty when Qdrant asks for none.
    verify
        What Qdrant's certificate is checked with, as httpx takes it.
    dimension
        Length of the vectors.
    announce
        Entered around every change of what can be found; it may refuse the change.
    """

    def __init__(
        self,
        *,
        url: str,
        api_key: SecretStr,
        verify: ssl.SSLContext | bool = True,
        dimension: int,
        announce: Callable[[Tenant], AbstractAsyncContextManager[None]],
    ) -> None:
        self._dimension = dimension
        self._announce = announce
        self._remote = Remote("qdrant", _classify, timeout=CALL_SECONDS, concurrency=CONCURRENCY)
        self._log = structlog.get_logger("gateway.vectors")
        key = OctKey.import_key(api_key.get_secret_value()) if api_key.get_secret_value() else None
        with warnings.catch_warnings():
            # Inside a cluster, plain HTTP behind a network policy is a choice, and not one made here.
            warnings.simplefilter("ignore", UserWarning)
            self._client = AsyncQdrantClient(
                url=url,
                auth_token_provider=(lambda: sign_token(key)) if key else None,
                timeout=int(CALL_SECONDS),
                check_compatibility=False,
                # httpx' own pool looks at every connection for every request: under load, that is half of
                # what a search costs (docs/decisions/0039-qdrant-through-aiohttp.md).
                transport=AiohttpTransport(verify=verify, limits=httpx.Limits(max_connections=CONCURRENCY)),
            )

    async def check(self) -> None:
        """Return when the shared collection fits, or is not there yet.

        Raises
        ------
        DimensionMismatch
            It holds vectors of another length.
        RemoteUnavailable, RemoteRefused
            Qdrant did not answer, or does not know our key.
        """
        try:
            info = await self._call(COLLECTION, "r", "info", lambda: self._client.get_collection(COLLECTION))
        except CollectionMissing:
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
        """Write an version's chunks from number ``start`` on. No search finds them before it is published.

        The head is left out: it is for :meth:`publish`. A second run changes nothing.

        Parameters
        ----------
        vectors
            Those of the chunks, some hundred at most: they are sent at once.

        Raises
        ------
        CollectionMissing
            The operator has not made the tenant's collection yet.
        RemoteUnavailable, RemoteRefused
            Qdrant did not answer, or refused.
        """

        def points() -> list[models.PointStruct]:
            numbered = enumerate(vectors, start)
            return [to_point(tenant, version, number, vector) for number, vector in numbered if number > 0]

        # In a thread: the words of a batch take some tens of milliseconds to count.
        if staged := await asyncio.to_thread(points):
            await self._upsert(tenant, staged)

    async def publish(self, tenant: Tenant, version: DocumentVersion, vector: Sequence[float]) -> IndexedDocument:
        """Let a document's content be this version, for every reader from one moment to the next.

        All its other chunks are staged; the head, whose ``vector`` this is, goes last, and until then readers
        have the old version whole. A second run changes nothing, and completes what one that was killed has
        left.

        Raises
        ------
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`upsert_unpublished`; or the change could not be announced, and nothing is changed.
        """
        published = IndexedDocument(version.document, version.id, len(version.chunks))
        async with self._announce(tenant):
            await self._upsert(tenant, [to_point(tenant, version, 0, vector)])
            await self.delete_stale(tenant, published)
        return published

    async def delete_stale(self, tenant: Tenant, published: IndexedDocument) -> None:
        """Remove what other versions of a document have left. No search finds that, with or without this.

        Raises
        ------
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`publish`.
        """
        document_id, version = published.document.document_id, published.version
        await self._delete(tenant, tenant_filter(tenant, document_id=document_id, not_version=version))

    async def remove(self, tenant: Tenant, document_id: str) -> None:
        """Let a document be gone for every reader at once, and then its chunks.

        Raises
        ------
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`publish`.
        """
        head = models.Filter(
            must=[
                *(tenant_filter(tenant).must or []),
                models.HasIdCondition(has_id=list(commit_marker_ids(tenant, [document_id]))),
            ]
        )
        async with self._announce(tenant):
            await self._delete(tenant, head)
            await self._delete(tenant, tenant_filter(tenant, document_id=document_id))

    async def get_indexed(self, tenant: Tenant, document_ids: Collection[str]) -> dict[str, IndexedDocument]:
        """Return those of the documents that can be found, by their ids.

        Raises
        ------
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`publish`.
        """
        if not document_ids:
            return {}
        call = functools.partial(
            self._client.retrieve,
            _collection(tenant),
            commit_marker_ids(tenant, sorted(document_ids)),
            with_payload=MARKER_FIELDS,
        )
        heads = await self._call(_collection(tenant), "r", "retrieve", call)
        found = [to_indexed(head.payload or {}) for head in heads if self._is_own(tenant, head)]
        return {each.document.document_id: each for each in found}

    async def iter_embeddings(
        self, tenant: Tenant, document_id: str
    ) -> AsyncIterator[list[tuple[str, Sequence[float]]]]:
        """Yield the embedded texts of a document with their vectors, some at a time.

        Raises
        ------
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`publish`.
        """
        offset: Any = None
        while True:
            call = functools.partial(
                self._client.scroll,
                _collection(tenant),
                scroll_filter=tenant_filter(tenant, document_id=document_id),
                limit=SCROLLED,
                offset=offset,
                with_payload=EMBEDDED_FIELDS,
                with_vectors=[DENSE_VECTOR],
            )
            points, offset = await self._call(_collection(tenant), "r", "scroll", call)
            yield [to_embedding(point) for point in points if self._is_own(tenant, point)]
            if offset is None:
                return

    async def search(
        self,
        tenant: Tenant,
        vector: Sequence[float],
        *,
        words: SparseVector | None,
        persona_id: str | None,
        limit: int,
        threshold: float,
    ) -> list[Passage]:
        """Return the tenant's chunks that fit best, best first.

        Parameters
        ----------
        vector
            Where to look for meaning, of length 1.
        words
            What to look for to the letter; both lists are then fused by rank. ``None`` for meaning alone.
        persona_id
            Only this persona's documents; ``None`` for all of the tenant's.
        limit
            Most passages.
        threshold
            Least cosine similarity.

        Raises
        ------
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`publish`.
        """
        own, rounds = tenant_filter(tenant, persona_id=persona_id), StaleFilter()
        request = _dense if words is None else functools.partial(_hybrid, words=words, tenant=tenant)
        for _ in range(MOST_ROUNDS):
            arguments = request(vector, filter_=exclude_versions(own, rounds.stale), limit=limit, threshold=threshold)
            query = functools.partial(self._client.query_points, _collection(tenant), **arguments)
            found = (await self._call(_collection(tenant), "r", "search", query)).points
            passages = [
                to_passage(point, point.score if words is None else cosine_similarity(vector, point))
                for point in found
                if self._is_own(tenant, point)
            ]
            counting = await self._counting(tenant, passages, rounds.documents)
            if rounds.take(passages, counting, full=len(found) == arguments["limit"]):
                break
        return [each for each in rounds.best if each.score >= threshold][:limit]

    async def neighbours(self, tenant: Tenant, passages: Sequence[Passage]) -> dict[tuple[str, int], Passage]:
        """Return the chunks before and after passages, by document and number, of the very same versions.

        Raises
        ------
        CollectionMissing, RemoteUnavailable, RemoteRefused
            As :meth:`publish`.
        """
        ids = {
            chunk_id(tenant, passage.document_id, passage.version, number)
            for passage in passages
            for number in (passage.chunk - 1, passage.chunk + 1)
            if number >= 0
        }
        if not ids:
            return {}
        call = functools.partial(self._client.retrieve, _collection(tenant), sorted(ids), with_payload=True)
        points = await self._call(_collection(tenant), "r", "retrieve", call)
        versions = {(passage.document_id, passage.version) for passage in passages}
        found = [to_passage(point, 0.0) for point in points if self._is_own(tenant, point)]
        # A head's id is that of every version.
        return {
            (each.document_id, each.chunk): each
            for each in found
            if (each.document_id, each.version) in versions
        }

    async def close(self) -> None:
        """Let connections go."""
        await self._client.close()
        self._remote.close()

    async def _counting(
        self, tenant: Tenant, passages: Sequence[Passage], others: Collection[str]
    ) -> dict[str, str]:
        """Return which version counts of each document that was found, and of some others."""
        # A head that was found says so by itself.
        counting = {each.document_id: each.version for each in passages if each.chunk == 0}
        asked = {each.document_id for each in passages} | set(others)
        heads = await self.get_indexed(tenant, asked - counting.keys())
        return counting | {document_id: head.version for document_id, head in heads.items()}

    async def _upsert(self, tenant: Tenant, points: list[models.PointStruct]) -> None:
        call = functools.partial(self._client.upsert, _collection(tenant), points, wait=True)
        await self._call(_collection(tenant), "rw", "upsert", call)

    async def _delete(self, tenant: Tenant, filter_: models.Filter) -> None:
        call = functools.partial(
            self._client.delete, _collection(tenant), models.FilterSelector(filter=filter_), wait=True
        )
        await self._call(_collection(tenant), "rw", "delete", call)

    async def _call(
        self, collection: str, access: str, operation: str, call: Callable[[], Awaitable[T]]
    ) -> T:
        """Make a call whose token opens one collection, with ``access`` ``r`` or ``rw``."""
        with token_scope(collection, access):
            try:
                return await self._remote.call(operation, call)
            except UnexpectedResponse as exc:
                raise CollectionMissing(
                    "The tenant's collection has not been made yet. Try again when its Tenant is Ready."
                ) from exc

    def _is_own(self, tenant: Tenant, point: models.ScoredPoint | models.Record) -> bool:
        """Tell whether a point is the tenant's; never false unless filter or index is broken."""
        payload = point.payload or {}
        own = (payload.get("tenantId"), payload.get("tenantUid")) == (tenant.key, tenant.uid)
        if not own:
            FOREIGN_HITS.inc()
            self._log.error(
                "Dropped a point of another tenant: filter or index is broken", point=str(point.id)
            )
        return own


def _dense(
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


def _hybrid(
    vector: Sequence[float],
    *,
    words: SparseVector,
    tenant: Tenant,
    filter_: models.Filter,
    limit: int,
    threshold: float,
) -> dict[str, Any]:
    candidates = max(CANDIDATES, limit)
    # What a word is worth depends on the tenant's own points only, not on the whole collection's.
    own_words = models.SearchParams(idf=models.IdfCorpusParams(corpus=tenant_filter(tenant)))
    prefetch = [
        models.Prefetch(query=list(vector), using=DENSE_VECTOR, filter=filter_, limit=candidates),
        models.Prefetch(
            query=to_sparse_vector(words), using=LEXICAL_VECTOR, filter=filter_, limit=candidates, params=own_words
        ),
    ]
    return {
        "prefetch": prefetch,
        "query": models.FusionQuery(fusion=models.Fusion.RRF),
        # The threshold is on cosines, which the fusion does not show: it is applied to what comes back.
        "limit": candidates if threshold > 0 else limit,
        "with_payload": True,
        "with_vectors": [DENSE_VECTOR],
    }


def _collection(tenant: Tenant) -> str:
    """Return where the tenant's points lie: what the operator says, above all while it moves them."""
    return tenant.status.vectors.collection if tenant.status.vectors else tenant.collection


def _classify(exc: Exception) -> Fault | None:
    match exc:
        case UnexpectedResponse(status_code=404):
            return None  # no fault: the collection is not there, see Vectors._call
        case UnexpectedResponse(status_code=429) | ResourceExhaustedResponse():
            return Fault.BUSY
        case UnexpectedResponse(status_code=int(status)):
            return Fault.TRANSIENT if status == 408 or status >= 500 else Fault.PERMANENT
        case ResponseHandlingException(source=httpx.HTTPError() | aiohttp.ClientError()):
            return Fault.TRANSIENT
        case _:
            return None
