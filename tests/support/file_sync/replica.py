"""File-sync's objects on the real backends, and a fake n8n that forwards calls to the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import httpx
from fastapi import FastAPI, Request, Response
from file_sync.adapters.document_owners import DocumentOwnerResolver
from file_sync.adapters.document_store import DocumentStore
from file_sync.adapters.downloads import FileDownloader
from file_sync.adapters.gateway import GatewayClient
from file_sync.adapters.open_webui_database import OpenWebUIDatabase
from file_sync.adapters.owners import OwnerResolver
from file_sync.adapters.upload_workflow import UploadWorkflow
from file_sync.planner.models import FileState, PlanConfig
from file_sync.planner.persona_index import PersonaIndexCache
from file_sync.sync.tenant_sync import SyncResult, TenantSync
from servicekit import kube
from servicekit.fair_semaphore import FairSemaphore
from servicekit.keycloak import KeycloakAdmin
from servicekit.remote import Remote
from tenancy.names import DEFAULT_TENANT_CLASS
from tenancy.registry import TenantRegistry
from tenancy.tickets import TicketIssuer
from tenantry_local.parts.aws import BUCKET, FILES_BUCKET
from tenantry_local.parts.services import build_file_sync_env
from tenantry_local.platform import Platform
from tenantry_local.tickets import ensure_private_key

from tests.support.faults.crashes import crash_after
from tests.support.programs.gateway import serve_app, set_environment

__all__ = ["FakeN8nWebhook", "FileSyncReplica", "crash_replica_after", "open_replica", "serve_fake_n8n"]

DOCUMENT_BYTES = 1_000_000


@dataclass
class FakeN8nWebhook:
    """Fake n8n that forwards the ticket to the gateway and returns the gateway's response.

    Parameters
    ----------
    response
        Sent instead of the gateway's response while it is set.
    calls
        Number of calls so far.
    lose_next
        Number of calls to lose: they are neither forwarded nor answered.
    """

    url: str = ""
    response: Response | None = None
    calls: int = 0
    lose_next: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serve_fake_n8n(gateway_url: str) -> AsyncIterator[FakeN8nWebhook]:
    """Serve the webhook of the upload workflow in front of a gateway."""
    app, n8n = FastAPI(), FakeN8nWebhook()

    @app.post("/webhook/tenantry/upload")
    async def _(request: Request) -> Response:
        n8n.calls += 1
        if n8n.lose_next:
            n8n.lose_next -= 1
            await n8n.ended.wait()
        if n8n.response:
            return n8n.response
        headers = {"Authorization": request.headers["authorization"]}
        response = await http.post(f"{gateway_url}/v1/documents", headers=headers)
        return Response(response.content, response.status_code, media_type=response.headers["content-type"])

    async with httpx.AsyncClient(timeout=120) as http, serve_app(app) as url:
        n8n.url = f"{url}/webhook/tenantry/upload"
        yield n8n
        n8n.ended.set()


@dataclass
class FileSyncReplica:
    """Objects of one replica of file-sync, without its loops."""

    tenant_sync: TenantSync
    database: OpenWebUIDatabase
    personas: PersonaIndexCache
    registry: TenantRegistry
    gateway: GatewayClient
    document_owners: DocumentOwnerResolver
    remotes: list[Remote]
    config: PlanConfig = field(default_factory=lambda: PlanConfig(DOCUMENT_BYTES, FILES_BUCKET))

    async def run(self, tenant_id: str) -> SyncResult:
        """Plan the actions of a tenant once and execute them."""
        tenant = self.registry.get(tenant_id)
        assert tenant
        return await self.tenant_sync.run(tenant, self.personas.refresh(), self.config)

    async def sync_until_stable(self, tenant_id: str) -> SyncResult:
        """Run until a plan has no actions; fail after five runs."""
        runs = 5
        while runs:
            result = await self.run(tenant_id)
            if result.is_complete and not result.plan.actions:
                return result
            if result.plan.counts[FileState.INDEXING]:
                await asyncio.sleep(0.2)  # the gateway still ingests a document
            else:
                runs -= 1
        raise AssertionError(f"not complete: {result}")


@asynccontextmanager
async def open_replica(
    platform: Platform, *, database_url: str, gateway_url: str, upload_url: str, registry: TenantRegistry
) -> AsyncIterator[FileSyncReplica]:
    """Open a replica on the platform; the environment must name AWS' configuration files."""
    env = build_file_sync_env(platform.context)

    def make_session() -> boto3.Session:
        return boto3.Session(profile_name="file-sync")

    async with AsyncExitStack() as stack:
        with set_environment({"KUBECONFIG": env["KUBECONFIG"]}):
            api = await stack.enter_async_context(await kube.connect())
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=None))
        gateway_http = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway_url, timeout=None))
        tickets = TicketIssuer(json.loads(ensure_private_key(platform.context.state).read_text()))
        database = OpenWebUIDatabase(database_url)
        stack.push_async_callback(database.close)
        await database.open()
        gateway = GatewayClient(gateway_http, tickets)
        workflow = UploadWorkflow(upload_url, http, tickets, seconds=60, concurrency=4)
        downloader = FileDownloader(
            make_session, bucket=FILES_BUCKET, concurrency=4, max_bytes=DOCUMENT_BYTES
        )
        store = DocumentStore(
            make_session,
            bucket=BUCKET,
            role_arn=env["FILE_SYNC_TENANT_ROLE_ARN"],
            is_current=TenantRegistry(api, DEFAULT_TENANT_CLASS).is_current,
        )
        for part in (gateway, workflow, downloader, store):
            stack.callback(part.close)
        keycloak = KeycloakAdmin(
            env["FILE_SYNC_KEYCLOAK_URL"],
            env["FILE_SYNC_KEYCLOAK_REALM"],
            "tenantry-file-sync",
            env["FILE_SYNC_KEYCLOAK_CLIENT_SECRET"],
            http,
        )
        document_owners = DocumentOwnerResolver(store)
        personas = PersonaIndexCache(registry)
        tenant_sync = TenantSync(
            database=database,
            downloader=downloader,
            store=store,
            gateway=gateway,
            workflow=workflow,
            owners=OwnerResolver(keycloak, lambda: registry.directory, seconds=0),
            document_owners=document_owners,
            put_slots=FairSemaphore(4, per_tenant=2),
            ingest_slots=FairSemaphore(4, per_tenant=2),
        )
        parts: tuple[Any, ...] = (database, downloader, store._sessions, gateway, workflow, keycloak)
        remotes = [part._remote for part in parts]
        yield FileSyncReplica(tenant_sync, database, personas, registry, gateway, document_owners, remotes)


async def crash_replica_after(last: int, replica: FileSyncReplica, run: Callable[[], Awaitable[Any]]) -> bool:
    """Await ``run()``; every call after the first ``last`` raises. Return False if no call has raised."""
    return await crash_after(
        last,
        run,
        affects=lambda remote, _: any(remote is own_remote for own_remote in replica.remotes),
        consequences=(BaseExceptionGroup,),
    )
