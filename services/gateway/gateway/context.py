"""Objects with the lifetime of the process: opened and wired in one place, closed in reverse order."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx
import structlog
from servicekit.aws import open_session
from servicekit.certificates import TlsServer, watch_certificates
from servicekit.errors import BackendError
from servicekit.loop_lag import watch_loop
from servicekit.tasks import run_background_task
from servicekit.tls import create_ssl_context
from servicekit.web.readiness import Check, Readiness, run_until_passed
from tenancy.call_limiter import CallLimiter
from tenancy.callers import check_synced
from tenancy.errors import UnsupportedQdrant
from tenancy.identity import TokenVerifier
from tenancy.jwks import RemoteKeys
from tenancy.qdrant_server import QdrantMonitor
from tenancy.registry import TenantRegistry, open_registry
from tenancy.tickets import TicketVerifier

from .answers.cache import AnswerCache
from .answers.cached_service import CachedAnswerService
from .answers.service import AnswerService
from .bedrock import Bedrock
from .concurrency import ConcurrencyLimiter
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
from .limits.storage_quota import StorageQuota
from .limits.tenant_metrics import TenantMetrics
from .limits.token_meter import TokenMeter
from .limits.usage import UsageLog
from .model_check import ModelCheck
from .model_lifecycle import ModelLifecycleCheck
from .model_sessions import ModelSessions, open_model_session
from .objects import TenantObjects, TrashObjects
from .redis import TenantRedis
from .retrieval.service import RetrievalService
from .settings import GatewaySettings
from .vectors import Vectors, create_monitor

__all__ = ["GatewayContext", "open_context"]

INGEST_QUEUE_TIMEOUT_SECONDS = 60.0
"""Longest wait of a document for its turn."""


@dataclass(frozen=True)
class GatewayContext:
    """Objects that request handlers use."""

    settings: GatewaySettings
    registry: TenantRegistry
    tokens: TokenVerifier
    tickets: TicketVerifier
    documents: DocumentService
    ingests: ConcurrencyLimiter
    catalog: Catalog
    trash: Trash
    deletions: DeletionLimit
    rejection: DeletionRejection
    idempotency: IdempotencyStore
    retrieval: RetrievalService
    answers: CachedAnswerService
    rate: RateLimiter
    calls: CallLimiter
    budget: Budget
    usage: UsageLog
    readiness: Readiness


@asynccontextmanager
async def open_context(settings: GatewaySettings) -> AsyncIterator[GatewayContext]:
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
        registry, watching = await stack.enter_async_context(open_registry(settings.tenant_class))
        redis = TenantRedis(settings.redis_url, settings.build_redis_options())
        stack.push_async_callback(redis.close)
        qdrant = create_monitor(
            settings.qdrant_url,
            settings.qdrant_api_key,
            verify=create_ssl_context(settings.qdrant_ca_file),
        )
        vectors = Vectors(
            url=settings.qdrant_url,
            api_key=settings.qdrant_api_key,
            verify=create_ssl_context(settings.qdrant_ca_file),
            dimension=settings.embedding_dimension,
            write_fence=IndexWriteFence(redis).fence_write,
            require_supported=qdrant.require_supported,
        )
        stack.push_async_callback(vectors.close)
        bedrock = Bedrock(
            open_model_session(),
            ModelSessions(open_session, role_arn=settings.model_role_arn),
            embedding_model=settings.embedding_model,
            dimension=settings.embedding_dimension,
            embeddings_per_minute=settings.embeddings_per_minute,
            embedding_tokens_per_minute=settings.embedding_tokens_per_minute,
        )
        stack.callback(bedrock.close)
        objects = TenantObjects(open_session, bucket=settings.bucket, role_arn=settings.tenant_role_arn)
        stack.callback(objects.close)
        watching_loop = await stack.enter_async_context(run_background_task(watch_loop(), "loop-lag"))
        _ = await stack.enter_async_context(
            run_background_task(watch_certificates(_list_tls_servers(settings)), "certificates")
        )
        tenant_metrics = TenantMetrics(by_tenant=settings.metrics_by_tenant)
        _ = await stack.enter_async_context(
            run_background_task(tenant_metrics.run(registry.list_tenants), "tenant-metrics")
        )
        budget, usage = Budget(redis), UsageLog(redis, tenant_metrics)
        recording = await stack.enter_async_context(run_background_task(usage.run(), "usage"))
        token_meter, quota = TokenMeter(budget, usage, tenant_metrics), StorageQuota(redis)
        journal = Journal(redis)
        stack.push_async_callback(token_meter.close)
        reader = DocumentReader(
            processes=settings.document_readers,
            seconds=settings.extraction_timeout_seconds,
            cpu_seconds=settings.extraction_max_cpu_seconds,
            tokens=settings.chunk_tokens,
            overlap=settings.chunk_overlap_tokens,
            max_chunks=settings.document_chunks,
        )
        stack.push_async_callback(reader.close)
        models = [settings.chat_model, *settings.chat_fallbacks]
        for check, name in (
            (ModelCheck(bedrock, models), "model-check"),
            (ModelLifecycleCheck(open_session, [settings.embedding_model, *models]), "model-lifecycle"),
        ):
            _ = await stack.enter_async_context(run_background_task(check.run(), name))
        retrieval = RetrievalService(bedrock, vectors, usage)
        documents = DocumentService(
            reader, bedrock, objects, vectors, quota, usage, journal, max_bytes=settings.document_bytes
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
        catalog = Catalog(objects, vectors, quota, journal, trash, deletions)
        repair = Repair(registry.list_tenants, journal, objects, vectors, documents, catalog, trash)
        repairing = await stack.enter_async_context(run_background_task(repair.run(), "repair"))
        expiry = TrashExpiry(registry.list_tenants, redis, trash)
        expiring = await stack.enter_async_context(run_background_task(expiry.run(), "trash-expiry"))
        check_qdrant = partial(_check_qdrant, qdrant, run_until_passed(vectors.check))
        monitoring = await stack.enter_async_context(run_background_task(qdrant.run(), "qdrant-version"))
        readiness = Readiness(
            [watching, watching_loop, recording, repairing, expiring, monitoring],
            [partial(check_synced, registry), keys.wait_fetched, check_qdrant],
        )
        try:
            await check_qdrant()
        except (BackendError, UnsupportedQdrant) as exc:
            log.warning("Cannot use Qdrant yet; not ready until then", error=str(exc))
        answers = AnswerService(
            retrieval,
            bedrock,
            token_meter,
            models=models,
            max_tokens=settings.answer_tokens,
            history_tokens=settings.history_tokens,
            context_tokens=settings.context_tokens,
        )
        cache = AnswerCache(redis, seconds=settings.answer_cache_ttl_seconds)
        yield GatewayContext(
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
            ingests=ConcurrencyLimiter(
                "ingests",
                max_concurrent=settings.ingest_concurrency,
                max_waiting=settings.ingest_queue,
                wait_seconds=INGEST_QUEUE_TIMEOUT_SECONDS,
                max_per_tenant=max(settings.ingest_concurrency // 2, 1),
            ),
            retrieval=retrieval,
            answers=CachedAnswerService(answers, cache, usage),
            rate=RateLimiter(redis),
            calls=CallLimiter(settings.calls_per_minute),
            budget=budget,
            usage=usage,
            readiness=readiness,
        )


def _list_tls_servers(settings: GatewaySettings) -> list[TlsServer]:
    return [
        *TlsServer.list_from_url("qdrant", settings.qdrant_url, settings.qdrant_ca_file),
        *TlsServer.list_from_url("redis", settings.redis_url.get_secret_value(), settings.redis_ca_file),
        *TlsServer.list_from_url("keycloak", settings.oidc_issuer),
    ]


async def _check_qdrant(monitor: QdrantMonitor, check_collection: Check) -> None:
    """Check the version at every probe, and the collection until it has passed once."""
    await monitor.require_supported()
    await check_collection()
