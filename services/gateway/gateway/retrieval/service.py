"""Retrieval service: dense or hybrid search in a tenant's passages."""

from collections.abc import Sequence

from tenancy.model import RetrievalMode, Tenant

from .. import bm25
from ..bedrock import Bedrock
from ..limits.usage import Counts, UsageLog
from ..models import Passage
from ..personas import require_persona
from ..timings import RequestTimings
from ..vectors import Vectors
from .widen import widen

__all__ = ["MAX_QUERY_BYTES", "RetrievalService"]

MAX_QUERY_BYTES = 8_000
"""Maximum size of a query. Titan V2 reads 8,192 tokens, and a token has at least one byte."""


class RetrievalService:
    """Finds passages by vectors, and with ``retrieval.mode: hybrid`` by words as well."""

    def __init__(self, bedrock: Bedrock, vectors: Vectors, usage: UsageLog) -> None:
        self._bedrock = bedrock
        self._vectors = vectors
        self._usage = usage

    async def find(
        self,
        tenant: Tenant,
        query: str,
        timings: RequestTimings,
        *,
        persona_id: str | None = None,
        top_k: int | None = None,
    ) -> list[Passage]:
        """Return the tenant's passages that match a query, best first.

        Parameters
        ----------
        query
            Text of the query. If it is too long, only its end is used, which has the latest question.
        persona_id
            Search only this persona's documents; ``None`` for all documents of the tenant.
        top_k
            Maximum number of passages; ``None`` for the Tenant's setting.

        Raises
        ------
        PersonaMissing
            The tenant has no such persona.
        TenantNotReady, ModelUnavailable, BackendUnavailable, BackendRefused
            See :class:`~gateway.vectors.Vectors` and :class:`~gateway.bedrock.Bedrock`.
        """
        if persona_id is not None:
            require_persona(tenant, persona_id)
        query = query.encode()[-MAX_QUERY_BYTES:].decode(errors="ignore")
        tokens: list[int] = []
        with timings.measure("embed"):
            vector = await self._bedrock.embed_query(query, tenant_key=tenant.key, on_tokens=tokens.append)
        used = Counts(requests=1, embedding_tokens=sum(tokens))
        self._usage.record(tenant, used, model=self._bedrock.embedding_model, persona_id=persona_id)
        hybrid = tenant.spec.retrieval.mode is RetrievalMode.HYBRID
        with timings.measure("search"):
            return await self._vectors.search(
                tenant,
                vector,
                sparse=bm25.build_query_vector(query) if hybrid else None,
                persona_id=persona_id,
                limit=top_k or tenant.spec.retrieval.top_k,
                threshold=tenant.spec.retrieval.score_threshold,
            )

    async def widen(
        self, tenant: Tenant, passages: Sequence[Passage], tokens: int, timings: RequestTimings
    ) -> list[Passage]:
        """Return passages with their neighbouring chunks, within a number of tokens.

        Raises
        ------
        TenantNotReady, BackendUnavailable, BackendRefused
            See :class:`~gateway.vectors.Vectors`.
        """
        with timings.measure("search"):
            neighbours = await self._vectors.get_neighbours(tenant, passages)
        return widen(passages, neighbours, tokens)
