"""Process context: creates all objects that live as long as the process, and closes them in order."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import structlog
from servicekit.aws import open_session
from servicekit.certificates import TlsServer, watch_certificates
from servicekit.errors import BackendError
from servicekit.fair_semaphore import FairSemaphore
from servicekit.keycloak import KeycloakAdmin
from servicekit.loop_lag import watch_loop
from servicekit.tasks import run_background_task
from servicekit.web.readiness import Check, Readiness, run_until_passed
from tenancy.call_limiter import CallLimiter
from tenancy.callers import check_synced
from tenancy.identity import TokenVerifier
from tenancy.jwks import RemoteKeys
from tenancy.registry import TenantRegistry, open_registry
from tenancy.tickets import TicketIssuer

from .adapters.document_owners import DocumentOwnerResolver
from .adapters.document_store import DocumentStore
from .adapters.downloads import FileDownloader
from .adapters.gateway import GatewayClient
from .adapters.leader import LeaderElector
from .adapters.open_webui_database import OpenWebUIDatabase
from .adapters.owners import OwnerResolver
from .adapters.upload_workflow import UploadWorkflow
from .planner.models import PlanConfig
from .planner.persona_index import PersonaIndexCache
from .problems import UnsupportedSchema
from .settings import FileSyncSettings
from .sync.loops import SyncLoops
from .sync.tenant_sync import TenantSync
from .user_files import UserFiles

__all__ = ["FileSyncContext", "open_context"]

CONNECT_TIMEOUT_SECONDS = 5.0
"""Timeout of a connection to n8n; this timeout is the only sign that n8n's host is unavailable."""


@dataclass(frozen=True)
class FileSyncContext:
    """Objects that request handlers need."""

    settings: FileSyncSettings
    registry: TenantRegistry
    tokens: TokenVerifier
    calls: CallLimiter
    files: UserFiles
    sync: SyncLoops
    leader_elector: LeaderElector
    readiness: Readiness


@asynccontextmanager
async def open_context(settings: FileSyncSettings) -> AsyncIterator[FileSyncContext]:
    """Create the process context, and close all connections at the end.

    Raises
    ------
    UnsupportedSchema
        Open WebUI's database is not supported, or its role does not have the rights of grants.sql.
    OSError, ValueError
        The ticket key cannot be read.
    """
    log = structlog.get_logger("file_sync")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=None))  # noqa: S113 (Remote bounds)
        keys = RemoteKeys(f"{settings.oidc_issuer}/protocol/openid-connect/certs", http)
        stack.push_async_callback(keys.close)
        tickets = TicketIssuer(json.loads(settings.ticket_key.read_text()))
        registry, watching = await stack.enter_async_context(open_registry(settings.tenant_class))
        database = OpenWebUIDatabase(
            settings.database_url.get_secret_value(), settings.build_tls_parameters()
        )
        stack.push_async_callback(database.close)
        await database.open()
        gateway_http = httpx.AsyncClient(base_url=settings.gateway_url, timeout=None)  # noqa: S113 (likewise)
        gateway = GatewayClient(await stack.enter_async_context(gateway_http), tickets)
        stack.callback(gateway.close)
        # A separate pool of connections: n8n may hold one for each document, for minutes.
        n8n_http = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS))
        workflow = UploadWorkflow(
            settings.upload_url,
            await stack.enter_async_context(n8n_http),
            tickets,
            seconds=settings.ingest_timeout_seconds,
            concurrency=settings.ingest_concurrency,
        )
        stack.callback(workflow.close)
        downloader = FileDownloader(
            open_session,
            bucket=settings.files_bucket,
            concurrency=settings.put_concurrency,
            max_bytes=settings.document_bytes,
        )
        stack.callback(downloader.close)
        store = DocumentStore(
            open_session,
            bucket=settings.bucket,
            role_arn=settings.tenant_role_arn,
            is_current=registry.is_current,
        )
        stack.callback(store.close)
        keycloak = KeycloakAdmin(
            settings.keycloak_url,
            settings.keycloak_realm,
            settings.keycloak_client_id,
            settings.keycloak_client_secret.get_secret_value(),
            http,
        )
        personas = PersonaIndexCache(registry)
        document_owners = DocumentOwnerResolver(store)
        tenant_sync = TenantSync(
            database=database,
            downloader=downloader,
            store=store,
            gateway=gateway,
            workflow=workflow,
            owners=OwnerResolver(
                keycloak, lambda: registry.directory, seconds=settings.owner_cache_ttl_seconds
            ),
            document_owners=document_owners,
            put_slots=_make_fair_semaphore(settings.put_concurrency),
            ingest_slots=_make_fair_semaphore(settings.ingest_concurrency),
        )
        sync = SyncLoops(
            settings, database=database, registry=registry, personas=personas, tenant_sync=tenant_sync
        )
        leader_elector = LeaderElector(database, sync.run, sync.wake)
        stack.push_async_callback(leader_elector.close)
        servers = [
            *TlsServer.list_from_url(
                "postgres", settings.database_url.get_secret_value(), settings.database_ca_file
            ),
            *TlsServer.list_from_url("keycloak", settings.keycloak_url),
        ]
        _ = await stack.enter_async_context(run_background_task(watch_certificates(servers), "certificates"))
        endless = [watching, await stack.enter_async_context(run_background_task(watch_loop(), "loop-lag"))]
        check_database = run_until_passed(database.check)
        # A replica that is not the leader serves the API as well.
        readiness = Readiness(endless, [partial(check_synced, registry), keys.wait_fetched, check_database])
        try:
            await check_database()
        except BackendError as exc:
            log.warning("Cannot check Open WebUI's database yet; not ready", error=str(exc))
        endless.append(
            await stack.enter_async_context(
                run_background_task(_run_elector(check_database, leader_elector), "sync")
            )
        )
        config = PlanConfig(settings.document_bytes, settings.files_bucket)
        yield FileSyncContext(
            settings=settings,
            registry=registry,
            tokens=TokenVerifier(settings.oidc_issuer, settings.oidc_audience, keys),
            calls=CallLimiter(settings.calls_per_minute),
            files=UserFiles(database, gateway, document_owners, personas, config),
            sync=sync,
            leader_elector=leader_elector,
            readiness=readiness,
        )


async def _run_elector(check_database: Check, leader_elector: LeaderElector) -> None:
    """Compete for leadership after the check of the database's schema succeeded."""
    while True:
        try:
            await check_database()
            break
        except (BackendError, UnsupportedSchema):
            await asyncio.sleep(1)
    await leader_elector.run()


def _make_fair_semaphore(total: int) -> FairSemaphore:
    return FairSemaphore(total, per_tenant=max(total // 2, 1))
