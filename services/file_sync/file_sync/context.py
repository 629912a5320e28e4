"""Everything that lives as long as the process, wired in one place and closed in order."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import structlog
from servicekit.aws import open_session
from servicekit.errors import RemoteError
from servicekit.fair_semaphore import FairSemaphore
from servicekit.keycloak import KeycloakAdmin
from servicekit.loop_lag import watch_loop
from servicekit.tasks import background_task
from tenancy.call_limiter import CallLimiter
from tenancy.errors import IdentityUnavailable
from tenancy.identity import TokenVerifier
from tenancy.jwks import RemoteKeys
from tenancy.registry import TenantRegistry, watched_registry
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

__all__ = ["ProcessContext", "Readiness", "open_context"]

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
    readiness: "Readiness"


class Readiness:
    """Whether requests can be served, and why not.

    Whether this replica leads does not matter: those that do not tell people about their files.

    Parameters
    ----------
    endless
        Tasks that never end by themselves: if one did, only a restart would help.
    """

    def __init__(
        self,
        registry: TenantRegistry,
        endless: "Sequence[asyncio.Task[None]]",
        keys: RemoteKeys,
        source: Source,
    ) -> None:
        self._registry = registry
        self._endless = endless
        self._keys = keys
        self._source = source
        self._fits = False

    @property
    def ended(self) -> list[str]:
        """Names of what has ended and must not have: only a restart helps."""
        return [task.get_name() for task in self._endless if task.done()]

    async def check_source(self) -> None:
        """Make sure once that Open WebUI's database is one that we know.

        Raises
        ------
        SourceUnfit
            It is not, or its role is not the one of grants.sql.
        RemoteUnavailable, RemoteRefused
            It cannot say.
        """
        if not self._fits:
            await self._source.check()
            self._fits = True

    async def missing(self) -> list[str]:
        """Return what we still wait for; empty when requests can be served."""
        missing = [] if self._registry.synced else ["the Tenants have not been listed yet"]
        try:
            await self._keys.wait_fetched()
        except IdentityUnavailable as exc:
            missing.append(exc.detail)
        try:
            await self.check_source()
        except (SourceUnfit, RemoteError) as exc:
            missing.append(exc.to_problem()["detail"])
        return missing


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
        registry, watching = await stack.enter_async_context(watched_registry())
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
        readiness = Readiness(registry, endless, keys, source)
        try:
            await readiness.check_source()
        except RemoteError as exc:
            log.warning("Cannot check Open WebUI's database yet; not ready until then", error=str(exc))
        endless.append(await stack.enter_async_context(background_task(_lead(readiness, leadership), "sync")))
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


async def _lead(readiness: Readiness, leadership: Leadership) -> None:
    """Lead, but not before the database was checked."""
    while True:
        try:
            await readiness.check_source()
            break
        except (RemoteError, SourceUnfit):
            await asyncio.sleep(1)
    await leadership.run()


def _places(total: int) -> FairSemaphore:
    return FairSemaphore(total, each=max(total // 2, 1))
