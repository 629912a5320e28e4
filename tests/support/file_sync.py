"""file-sync's own parts on the real backends, as often as a test wants, and n8n as a small pass-through."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import boto3
import httpx
import pytest
from fastapi import FastAPI, Request, Response
from file_sync.adapters.document_owners import DocumentOwners
from file_sync.adapters.downloads import Contents
from file_sync.adapters.gateway import Gateway
from file_sync.adapters.owners import Owners
from file_sync.adapters.source import Source
from file_sync.adapters.store import Store
from file_sync.adapters.upload_workflow import UploadWorkflow
from file_sync.planner.persona_cache import Atlas
from file_sync.planner.plan import Rules, State
from file_sync.sync.tenant_sync import Work, Worked
from servicekit import kube
from servicekit.fair_semaphore import FairSemaphore
from servicekit.keycloak import KeycloakAdmin
from servicekit.remote import Remote
from tenancy.registry import TenantRegistry
from tenancy.tickets import TicketIssuer
from tenantry_local.parts.aws import BUCKET, FILES_BUCKET
from tenantry_local.parts.services import file_sync_env
from tenantry_local.platform import Platform
from tenantry_local.tickets import private_key

from .gateway import environment, serving

__all__ = ["Killed", "PassThrough", "Replica", "killed_after", "open_replica", "pass_through"]

DOCUMENT_BYTES = 1_000_000


@dataclass
class PassThrough:
    """n8n, as far as file-sync sees it: it hands a ticket on, and what the gateway says back.

    ``answer`` takes the place of the gateway's while it is set. As many calls as ``loses`` says are lost:
    never passed on, and never answered.
    """

    url: str = ""
    answer: Response | None = None
    calls: int = 0
    loses: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def pass_through(gateway_url: str) -> AsyncIterator[PassThrough]:
    """Serve the upload workflow's webhook before a gateway."""
    app, n8n = FastAPI(), PassThrough()

    @app.post("/webhook/tenantry/upload")
    async def _(request: Request) -> Response:
        n8n.calls += 1
        if n8n.loses:
            n8n.loses -= 1
            await n8n.ended.wait()
        if n8n.answer:
            return n8n.answer
        headers = {"Authorization": request.headers["authorization"]}
        answer = await http.post(f"{gateway_url}/v1/documents", headers=headers)
        return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])

    async with httpx.AsyncClient(timeout=120) as http, serving(app) as url:
        n8n.url = f"{url}/webhook/tenantry/upload"
        yield n8n
        n8n.ended.set()


@dataclass
class Replica:
    """The parts of one file-sync, without its loop."""

    work: Work
    source: Source
    atlas: Atlas
    registry: TenantRegistry
    gateway: Gateway
    document_owners: DocumentOwners
    remotes: list[Remote]
    rules: Rules = field(default_factory=lambda: Rules(DOCUMENT_BYTES, FILES_BUCKET))

    async def run(self, tenant_id: str) -> Worked:
        """Compare a tenant once, and do what is to be done."""
        tenant = self.registry.get(tenant_id)
        assert tenant
        return await self.work.run(tenant, self.atlas.renew(), self.rules)

    async def settle(self, tenant_id: str) -> Worked:
        """Compare until nothing is to be done; fail when that does not come."""
        runs = 5
        while runs:
            worked = await self.run(tenant_id)
            if worked.settled and not worked.plan.actions:
                return worked
            if worked.plan.counts[State.INDEXING]:
                await asyncio.sleep(0.2)  # the gateway is busy with it, for longer on a busy machine
            else:
                runs -= 1
        raise AssertionError(f"not settled: {worked}")


@asynccontextmanager
async def open_replica(
    platform: Platform, *, database_url: str, gateway_url: str, upload_url: str, registry: TenantRegistry
) -> AsyncIterator[Replica]:
    """Open the parts of a file-sync on the platform; what of the environment it needs is AWS' files."""
    env = file_sync_env(platform.context)

    def session() -> boto3.Session:
        return boto3.Session(profile_name="file-sync")

    async with AsyncExitStack() as stack:
        with environment({"KUBECONFIG": env["KUBECONFIG"]}):
            api = await stack.enter_async_context(await kube.connect())
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=None))
        gateway_http = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway_url, timeout=None))
        tickets = TicketIssuer(json.loads(private_key(platform.context.state).read_text()))
        source = Source(database_url)
        stack.push_async_callback(source.close)
        await source.open()
        gateway = Gateway(gateway_http, tickets)
        workflow = UploadWorkflow(upload_url, http, tickets, seconds=60, at_once=4)
        contents = Contents(session, bucket=FILES_BUCKET, at_once=4, max_bytes=DOCUMENT_BYTES)
        store = Store(
            session,
            bucket=BUCKET,
            role_arn=env["FILE_SYNC_TENANT_ROLE_ARN"],
            is_current=TenantRegistry(api).is_current,
        )
        for part in (gateway, workflow, contents, store):
            stack.callback(part.close)
        keycloak = KeycloakAdmin(
            env["FILE_SYNC_KEYCLOAK_URL"],
            env["FILE_SYNC_KEYCLOAK_REALM"],
            "tenantry-file-sync",
            env["FILE_SYNC_KEYCLOAK_CLIENT_SECRET"],
            http,
        )
        document_owners = DocumentOwners(store)
        work = Work(
            source=source,
            contents=contents,
            store=store,
            gateway=gateway,
            workflow=workflow,
            owners=Owners(keycloak, lambda: registry.directory, seconds=0),
            document_owners=document_owners,
            puts=FairSemaphore(4, each=2),
            ingests=FairSemaphore(4, each=2),
        )
        parts: tuple[Any, ...] = (source, contents, store._sessions, gateway, workflow, keycloak)
        remotes = [part._remote for part in parts]
        yield Replica(work, source, Atlas(registry), registry, gateway, document_owners, remotes)


class Killed(BaseException):
    """The process is dead."""


async def killed_after(last: int, replica: Replica, run: Callable[[], Awaitable[Any]]) -> bool:
    """Run, and let every call after the ``last`` die. False: it ended without needing more of them."""
    number, call_as_before = count(), Remote.call
    dead = False

    async def call(self: Remote, operation: str, function: Callable[[], Awaitable[Any]], **more: Any) -> Any:
        nonlocal dead
        if not any(self is each for each in replica.remotes):
            return await call_as_before(self, operation, function, **more)
        dead = dead or next(number) >= last
        if dead:
            raise Killed
        return await call_as_before(self, operation, function, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "call", call)
        try:
            await run()
        except (Killed, BaseExceptionGroup):
            return True
    return False
