"""Everything that lives as long as the process, wired in one place and closed in order."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import structlog
from servicekit.aws import open_session
from servicekit.errors import RemoteError
from servicekit.loop_lag import watch_loop
from servicekit.tasks import background_task
from servicekit.tls import ssl_context
from tenancy.call_limiter import CallLimiter
from tenancy.errors import IdentityUnavailable
from tenancy.identity import TokenVerifier
from tenancy.jwks import RemoteKeys
from tenancy.registry import TenantRegistry, watched_registry
from tenancy.tickets import TicketVerifier

from .answers.cache import AnswerCache
from .answers.cached import CachedAnswers
from .answers.service import AnswerService
from .bedrock import Bedrock
from .concurrency import Lane
from .documents.catalog import Catalog
from .documents.deletions import DeletionLimit
from .documents.expiry import TrashExpiry
from .documents.journal import Journal
from .documents.reader import DocumentReader
from .documents.rejection import DeletionRejection
from .documents.repair import Repair
from .documents.service import DocumentService
from .documents.trash import Trash
from .idempotency_store import IdempotencyStore
from .index_fence import IndexWriteFence
from .limits.budget import Budget
from .limits.rate import RateLimiter
from .limits.storage_quota import Stock
from .limits.tenant_metrics import TenantSeries
from .limits.token_meter import Ledger
from .limits.usage import UsageLog
from .model_check import ModelCheck
from .objects import TenantObjects, TrashObjects
from .problems import DimensionMismatch
from .redis import TenantRedis
from .retrieval.service import RetrievalService
from .settings import Settings
from .vectors import Vectors

if TYPE_CHECKING:
    import asyncio

__all__ = ["ProcessContext", "Readiness", "open_context"]

INGEST_WAITING_SECONDS = 60.0
"""Longest that a document waits for its turn."""


@dataclass(frozen=True)
class ProcessContext:
    """What request handlers need."""

    settings: Settings
    registry: TenantRegistry
    tokens: TokenVerifier
    tickets: TicketVerifier
    documents: DocumentService
    ingests: Lane
    catalog: Catalog
    trash: Trash
    deletions: DeletionLimit
    rejection: DeletionRejection
    idempotency: IdempotencyStore
    retrieval: RetrievalService
    answers: CachedAnswers
    rate: RateLimiter
    calls: CallLimiter
    budget: Budget
    usage: UsageLog
    readiness: "Readiness"


class Readiness:
    """Whether requests can be served, and why not.

    Redis is not asked. All gateways share it, so to take one out of service when it is away would take out
    all of them, and with them search and sign-in, which go on without it.

    Parameters
    ----------
    endless
        Tasks that never end by themselves. If one did, we would serve an ever older state of the Tenants, or
        never repair a document again, so that counts as dead.
    """

    def __init__(
        self,
        registry: TenantRegistry,
        endless: "Sequence[asyncio.Task[None]]",
        keys: RemoteKeys,
        vectors: Vectors,
    ) -> None:
        self._registry = registry
        self._endless = endless
        self._keys = keys
        self._vectors = vectors
        self._fits = False

    @property
    def ended(self) -> list[str]:
        """Names of what has ended and must not have: only a restart helps."""
        return [task.get_name() for task in self._endless if task.done()]

    async def check_collection(self) -> None:
        """Make sure once that our vectors fit the collection.

        Raises
        ------
        DimensionMismatch
            They do not, and never will without a person.
        RemoteUnavailable, RemoteRefused
            Qdrant cannot say.
        """
        if not self._fits:
            await self._vectors.check()
            self._fits = True

    async def missing(self) -> list[str]:
        """Return what we still wait for; empty when requests can be served."""
        missing = [] if self._registry.synced else ["the Tenants have not been listed yet"]
        try:
            await self._keys.wait_fetched()
        except IdentityUnavailable as exc:
            missing.append(exc.detail)
        try:
            await self.check_collection()
        except (DimensionMismatch, RemoteError) as exc:
            missing.append(exc.to_problem()["detail"])
        return missing


@asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[ProcessContext]:
    """Open all connections, and close them at the end.

    Raises
    ------
    DimensionMismatch
        The collection does not fit the settings.
    OSError, ValueError
        The ticket keys cannot be read.
    """
    log = structlog.get_logger("gateway")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient())
        keys = RemoteKeys(f"{settings.oidc_issuer}/protocol/openid-connect/certs", http)
        stack.push_async_callback(keys.close)
        tickets = TicketVerifier(json.loads(settings.ticket_jwks.read_text()))
        registry, watching = await stack.enter_async_context(watched_registry())
        redis = TenantRedis(settings.redis_url)
        stack.push_async_callback(redis.close)
        vectors = Vectors(
            url=settings.qdrant_url,
            api_key=settings.qdrant_api_key,
            verify=ssl_context(settings.qdrant_ca_file),
            dimension=settings.embedding_dimension,
            write_guard=IndexWriteFence(redis).guard,
        )
        stack.push_async_callback(vectors.close)
        bedrock = Bedrock(
            open_session(),
            embedding_model=settings.embedding_model,
            dimension=settings.embedding_dimension,
            embeddings_per_minute=settings.embeddings_per_minute,
        )
        stack.callback(bedrock.close)
        objects = TenantObjects(open_session, bucket=settings.bucket, role_arn=settings.tenant_role_arn)
        stack.callback(objects.close)
        watching_loop = await stack.enter_async_context(background_task(watch_loop(), "loop-lag"))
        series = TenantSeries(by_tenant=settings.metrics_by_tenant)
        _ = await stack.enter_async_context(background_task(series.run(registry.all), "series"))
        budget, usage = Budget(redis), UsageLog(redis, series)
        recording = await stack.enter_async_context(background_task(usage.run(), "usage"))
        ledger, stock = Ledger(budget, usage, series), Stock(redis)
        journal = Journal(redis)
        stack.push_async_callback(ledger.close)
        reader = DocumentReader(
            processes=settings.document_readers,
            seconds=settings.document_seconds,
            cpu_seconds=settings.document_cpu_seconds,
            tokens=settings.chunk_tokens,
            overlap=settings.chunk_overlap,
            max_chunks=settings.document_chunks,
        )
        stack.push_async_callback(reader.close)
        models = [settings.chat_model, *settings.chat_fallbacks]
        checking = background_task(ModelCheck(bedrock, models).run(), "model-check")
        _ = await stack.enter_async_context(checking)
        retrieval = RetrievalService(bedrock, vectors, usage)
        documents = DocumentService(
            reader, bedrock, objects, vectors, stock, usage, journal, max_bytes=settings.document_bytes
        )
        trash = Trash(
            TrashObjects(objects.sessions, settings.bucket),
            objects,
            vectors,
            documents,
            embedding=(settings.embedding_model, settings.embedding_dimension),
            retention=timedelta(days=settings.trash_days),
        )
        deletions = DeletionLimit(redis)
        catalog = Catalog(objects, vectors, stock, journal, trash, deletions)
        repair = Repair(registry.all, journal, objects, vectors, documents, catalog, trash)
        repairing = await stack.enter_async_context(background_task(repair.run(), "repair"))
        expiry = TrashExpiry(registry.all, redis, trash)
        expiring = await stack.enter_async_context(background_task(expiry.run(), "trash-expiry"))
        readiness = Readiness(
            registry, [watching, watching_loop, recording, repairing, expiring], keys, vectors
        )
        try:
            await readiness.check_collection()
        except RemoteError as exc:
            log.warning("Cannot check the collection yet; not ready until then", error=str(exc))
        answers = AnswerService(
            retrieval,
            bedrock,
            ledger,
            models=models,
            max_tokens=settings.answer_tokens,
            history_tokens=settings.history_tokens,
            context_tokens=settings.context_tokens,
        )
        cache = AnswerCache(redis, seconds=settings.answer_cache_seconds)
        yield ProcessContext(
            settings=settings,
            registry=registry,
            tokens=TokenVerifier(settings.oidc_issuer, settings.oidc_audience, keys),
            tickets=tickets,
            documents=documents,
            catalog=catalog,
            trash=trash,
            deletions=deletions,
            rejection=DeletionRejection(catalog, trash, deletions),
            idempotency=IdempotencyStore(redis),
            ingests=Lane(
                "ingests",
                at_once=settings.ingests_at_once,
                waiting=settings.ingests_waiting,
                seconds=INGEST_WAITING_SECONDS,
                share=max(settings.ingests_at_once // 2, 1),
            ),
            retrieval=retrieval,
            answers=CachedAnswers(answers, cache, usage),
            rate=RateLimiter(redis),
            calls=CallLimiter(settings.calls_per_minute),
            budget=budget,
            usage=usage,
            readiness=readiness,
        )
