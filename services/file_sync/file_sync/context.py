"""Everything that lives as long as the process, wired in one place and closed in order."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx
import structlog
from servicekit.aws import open_session
from servicekit.errors import RemoteError
from servicekit.fair_semaphore import FairSemaphore
from servicekit.keycloak import KeycloakAdmin
from servicekit.loop_lag import watch_loop
from servicekit.tasks import background_task
from servicekit.web.readiness import Check, Readiness, run_until_passed
from tenancy.call_limiter import CallLimiter
from tenancy.callers import check_synced
from tenancy.identity import TokenVerifier
from tenancy.jwks import RemoteKeys
from tenancy.registry import TenantRegistry, open_registry
from tenancy.tickets import TicketIssuer

from .adapters.document_owners import DocumentOwners
from .adapters.downloads import Contents
from .adapters.gateway import Gateway
from .adapters.leader import Leadership
from .adapters.owners import Owners
from .adapters.source import Source
from .adapters.store import Store
from .adapters.upload_workflow import UploadWorkflow
from .planner.persona_cache import Atlas
from .planner.plan import Rules
from .problems import SourceUnfit
from .settings import Settings
from .sync.loops import Sync
from .sync.tenant_sync import Work
from .user_files import OwnFiles

__all__ = ["ProcessContext", "open_context"]

CONNECT_SECONDS = 5.0
"""Longest that a connection to n8n may take; then it is away, which it tells us in no other way."""


@dataclass(frozen=True)
class ProcessContext:
    """What request handlers need."""

    settings: Settings
    registry: TenantRegistry
    tokens: TokenVerifier
    calls: CallLimiter
    files: OwnFiles
    sync: Sync
    leadership: Leadership
    readiness: Readiness


@asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[ProcessContext]:
    """Open all connections, and close them at the end.

    Raises
    ------
    SourceUnfit
        Open WebUI's database is none that we know, or its role is not the one of grants.sql.
    OSError, ValueError
        The ticket key cannot be read.
    """
    log = structlog.get_logger("file_sync")
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=None))  # noqa: S113 (Remote bounds)
        keys = RemoteKeys(f"{settings.oidc_issuer}/protocol/openid-connect/certs", http)
        stack.push_async_callback(keys.close)
        tickets = TicketIssuer(json.loads(settings.ticket_key.read_text()))
        registry, watching = await stack.enter_async_context(open_registry())
        source = Source(settings.database_url.get_secret_value())
        stack.push_async_callback(source.close)
        await source.open()
        gateway_http = httpx.AsyncClient(base_url=settings.gateway_url, timeout=None)  # noqa: S113 (likewise)
        gateway = Gateway(await stack.enter_async_context(gateway_http), tickets)
        stack.callback(gateway.close)
        # Connections of its own: n8n may hold as many of them as it is given documents, for minutes.
        n8n_http = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=CONNECT_SECONDS))
        workflow = UploadWorkflow(
            settings.upload_url,
            await stack.enter_async_context(n8n_http),
            tickets,
            seconds=settings.ingest_seconds,
            at_once=settings.ingests_at_once,
        )
        stack.callback(workflow.close)
        contents = Contents(
            open_session,
            bucket=settings.files_bucket,
            at_once=settings.puts_at_once,
            max_bytes=settings.document_bytes,
        )
        stack.callback(contents.close)
        store = Store(
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
        atlas = Atlas(registry)
        document_owners = DocumentOwners(store)
        work = Work(
            source=source,
            contents=contents,
            store=store,
            gateway=gateway,
            workflow=workflow,
            owners=Owners(keycloak, lambda: registry.directory, seconds=settings.owner_seconds),
            document_owners=document_owners,
            puts=_places(settings.puts_at_once),
            ingests=_places(settings.ingests_at_once),
        )
        sync = Sync(settings, source=source, registry=registry, atlas=atlas, work=work)
        leadership = Leadership(source, sync.lead, sync.hint)
        stack.push_async_callback(leadership.close)
        endless = [watching, await stack.enter_async_context(background_task(watch_loop(), "loop-lag"))]
        check_source = run_until_passed(source.check)
        # It does not matter which replica leads: the others report files, too.
        readiness = Readiness(endless, [partial(check_synced, registry), keys.wait_fetched, check_source])
        try:
            await check_source()
        except RemoteError as exc:
            log.warning("Cannot check Open WebUI's database yet; not ready until then", error=str(exc))
        endless.append(
            await stack.enter_async_context(background_task(_lead(check_source, leadership), "sync"))
        )
        rules = Rules(settings.document_bytes, settings.files_bucket)
        yield ProcessContext(
            settings=settings,
            registry=registry,
            tokens=TokenVerifier(settings.oidc_issuer, settings.oidc_audience, keys),
            calls=CallLimiter(settings.calls_per_minute),
            files=OwnFiles(source, gateway, document_owners, atlas, rules),
            sync=sync,
            leadership=leadership,
            readiness=readiness,
        )


async def _lead(check_source: Check, leadership: Leadership) -> None:
    """Lead, but not before the database was checked."""
    while True:
        try:
            await check_source()
            break
        except (RemoteError, SourceUnfit):
            await asyncio.sleep(1)
    await leadership.run()


def _places(total: int) -> FairSemaphore:
    return FairSemaphore(total, each=max(total // 2, 1))
