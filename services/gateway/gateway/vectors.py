"""Qdrant: the tenants' chunks as points. The only module that builds a filter or talks to Qdrant.

Every function takes the proven :class:`~tenancy.model.Tenant` and makes collection and filter from it; no
caller can hand one in. Twice more the tenants are held apart: the token of each request opens one
collection only, and what comes back is looked at again before it leaves this module.
"""

import functools
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import httpx
import structlog
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from tenancy.model import Tenant
from tenancy.names import COLLECTION, point_id
from tenancy.remote import Fault, Remote

from .metrics import FOREIGN_HITS
from .models import Chunk, Document, Passage
from .problems import CollectionMissing, DimensionMismatch

__all__ = ["Vectors", "tenant_filter"]

T = TypeVar("T")

CALL_SECONDS = 5.0
CONCURRENCY = 64

TOKEN_SECONDS = 60
"""How long a token for one request holds; longer than any request, clocks apart included."""

BATCH = 128
"""Points of one upsert: about a megabyte."""

_SCOPE: ContextVar[tuple[str, str]] = ContextVar("qdrant_scope")
"""Collection and access (``r`` or ``rw``) of the request under way. Without it no token is made."""


class Vectors:
    """Stores and finds chunks, as one tenant at a time.

    Parameters
    ----------
    url
        Qdrant's REST address.
    api_key
        Qdrant's key; it never leaves this process, it only signs tokens. Empty when Qdrant asks for none.
    dimension
        Length of the vectors.
    """

    def __init__(self, *, url: str, api_key: SecretStr, dimension: int) -> None:
        self._dimension = dimension
        self._remote = Remote("qdrant", _classify, timeout=CALL_SECONDS, concurrency=CONCURRENCY)
        self._log = structlog.get_logger("gateway.vectors")
        key = OctKey.import_key(api_key.get_secret_value()) if api_key.get_secret_value() else None
        with warnings.catch_warnings():
            # Inside a cluster, plain HTTP behind a network policy is a choice, and not one made here.
            warnings.simplefilter("ignore", UserWarning)
            self._client = AsyncQdrantClient(
                url=url,
                auth_token_provider=(lambda: _sign(key)) if key else None,
                timeout=int(CALL_SECONDS),
                check_compatibility=False,
                # qdrant-client keeps no connection to 127.0.0.1 open unless told.
                limits=httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY),
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
        size = vectors.size if isinstance(vectors, models.VectorParams) else None
        if size != self._dimension:
            raise DimensionMismatch(
                f"Collection {COLLECTION} holds vectors of {size} numbers, but GATEWAY_EMBEDDING_DIMENSION "
                f"is {self._dimension}. Set it to the collection's, or ingest into a new collection."
            )

    async def replace(
        self, tenant: Tenant, document: Document, chunks: Sequence[Chunk], vectors: Sequence[Sequence[float]]
    ) -> None:
        """Store a document's chunks, and remove those of an earlier, longer content.

        The same chunk always has the same point id, so a second run changes nothing, and readers see the
        document throughout.

        Raises
        ------
        CollectionMissing
            The operator has not made the tenant's collection yet.
        RemoteUnavailable, RemoteRefused
            Qdrant did not answer, or refused.
        """
        points = [
            models.PointStruct(
                id=point_id(tenant.id, document.document_id, number),
                vector=list(vector),
                payload=_payload(tenant, document, number, chunk),
            )
            for number, (chunk, vector) in enumerate(zip(chunks, vectors, strict=True))
        ]
        collection = _collection(tenant)
        for start in range(0, len(points), BATCH):
            batch = functools.partial(
                self._client.upsert, collection, points[start : start + BATCH], wait=True
            )
            await self._call(collection, "rw", "upsert", batch)
        surplus = tenant_filter(tenant, document_id=document.document_id, from_chunk=len(points))
        delete = functools.partial(
            self._client.delete, collection, models.FilterSelector(filter=surplus), wait=True
        )
        await self._call(collection, "rw", "delete", delete)

    async def search(
        self, tenant: Tenant, vector: Sequence[float], *, persona_id: str | None, limit: int, threshold: float
    ) -> list[Passage]:
        """Return the tenant's chunks nearest to a vector, best first.

        Parameters
        ----------
        persona_id
            Only this persona's documents; ``None`` for all of the tenant's.
        limit
            Most passages.
        threshold
            Least cosine similarity.

        Raises
        ------
        CollectionMissing
            The operator has not made the tenant's collection yet.
        RemoteUnavailable, RemoteRefused
            Qdrant did not answer, or refused.
        """
        collection = _collection(tenant)
        query = functools.partial(
            self._client.query_points,
            collection,
            query=list(vector),
            query_filter=tenant_filter(tenant, persona_id=persona_id),
            limit=limit,
            score_threshold=threshold,
            with_payload=True,
        )
        found = await self._call(collection, "r", "search", query)
        return [_to_passage(point) for point in found.points if self._is_own(tenant, point)]

    async def close(self) -> None:
        """Let connections go."""
        await self._client.close()
        self._remote.close()

    async def _call(
        self, collection: str, access: str, operation: str, call: Callable[[], Awaitable[T]]
    ) -> T:
        """Make a call whose token opens one collection, with ``access`` ``r`` or ``rw``."""
        outer = _SCOPE.set((collection, access))
        try:
            return await self._remote.call(operation, call)
        except UnexpectedResponse as exc:
            raise CollectionMissing(
                "The tenant's collection has not been made yet. Try again when its Tenant is Ready."
            ) from exc
        finally:
            _SCOPE.reset(outer)

    def _is_own(self, tenant: Tenant, point: models.ScoredPoint) -> bool:
        """Tell whether a point is the tenant's; never false unless filter or index is broken."""
        own = (point.payload or {}).get("tenantId") == tenant.key
        if not own:
            FOREIGN_HITS.inc()
            self._log.error(
                "Dropped a point of another tenant: filter or index is broken", point=str(point.id)
            )
        return own


def tenant_filter(
    tenant: Tenant,
    *,
    persona_id: str | None = None,
    document_id: str | None = None,
    from_chunk: int | None = None,
) -> models.Filter:
    """Return the filter of a tenant's points, narrowed by what is given."""
    values = {"tenantId": tenant.key, "personaId": persona_id, "documentId": document_id}
    must: list[models.Condition] = [
        models.FieldCondition(key=key, match=models.MatchValue(value=value))
        for key, value in values.items()
        if value is not None
    ]
    if from_chunk is not None:
        must.append(models.FieldCondition(key="chunk", range=models.Range(gte=from_chunk)))
    return models.Filter(must=must)


def _collection(tenant: Tenant) -> str:
    """Return where the tenant's points lie: what the operator says, above all while it moves them."""
    return tenant.status.vectors.collection if tenant.status.vectors else tenant.collection


def _payload(tenant: Tenant, document: Document, number: int, chunk: Chunk) -> dict[str, Any]:
    return {
        "tenantId": tenant.key,
        "personaId": document.persona_id,
        "documentId": document.document_id,
        "chunk": number,
        "text": chunk.text,
        "filename": document.filename,
        "page": chunk.page,
        "sha256": document.sha256,
        "createdAt": document.created_at.isoformat(),
    }


def _to_passage(point: models.ScoredPoint) -> Passage:
    payload = point.payload or {}
    return Passage(
        persona_id=payload["personaId"],
        document_id=payload["documentId"],
        filename=payload["filename"],
        page=payload["page"],
        chunk=payload["chunk"],
        text=payload["text"],
        score=point.score,
    )


def _sign(key: OctKey) -> str:
    collection, access = _SCOPE.get()
    claims = {
        "access": [{"collection": collection, "access": access}],
        "exp": int(time.time()) + TOKEN_SECONDS,
    }
    return jwt.encode({"alg": "HS256"}, claims, key)


def _classify(exc: Exception) -> Fault | None:
    match exc:
        case UnexpectedResponse(status_code=404):
            return None  # no fault: the collection is not there, see Vectors._call
        case UnexpectedResponse(status_code=int(status)):
            return Fault.TRANSIENT if status in (408, 429) or status >= 500 else Fault.PERMANENT
        case ResourceExhaustedResponse() | ResponseHandlingException(source=httpx.HTTPError()):
            return Fault.TRANSIENT
        case _:
            return None
