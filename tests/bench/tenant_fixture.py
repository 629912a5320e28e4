"""Fixture for benchmarks: a tenant with a client of Open WebUI for each of its users."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from tenancy.model import Tenant
from tenancy.names import build_model_id
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.parts.open_webui import get_open_webui_admin
from tenantry_local.platform import Platform

from tests.support.backends.keycloak_users import PASSWORD, open_people
from tests.support.open_webui.clients import WebUI, connect_as_administrator
from tests.support.programs.standins import inject_faults
from tests.support.tenants.manifests import UNCACHED, make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .chat_client import ChatClient, open_chat_client

__all__ = ["TenantFixture", "create_tenant", "delay_model"]

QUOTA = {"queriesPerMinute": 1_000_000, "tokensPerMonth": 1_000_000_000}
"""Limits that a benchmark does not reach."""

UNLIMITED = 1_000_000
"""Number of times that a fault is injected: so many that it lasts until it is removed."""

CONCURRENT_UPLOADS = 4


@dataclass
class TenantFixture:
    """A tenant with clients of its users.

    Parameters
    ----------
    gateway, file_sync
        HTTP clients with the token of the first user.
    knowledge_id
        Id of the persona's knowledge base.
    """

    platform: Platform
    tenant_id: str
    webui: WebUI
    clients: list[ChatClient]
    gateway: httpx.AsyncClient
    file_sync: httpx.AsyncClient
    knowledge_id: str

    @property
    def model(self) -> str:
        """Id of the persona's model in Open WebUI."""
        return build_model_id(self.tenant_id, "finance")

    async def upload(self, documents: dict[str, str]) -> None:
        """Upload documents through the gateway, a few concurrently."""
        bound = asyncio.Semaphore(CONCURRENT_UPLOADS)

        async def upload_one(name: str, text: str) -> None:
            async with bound:
                files, data = {"file": (name, text.encode())}, {"personaId": "finance"}
                (await self.gateway.post("/v1/documents", files=files, data=data)).raise_for_status()

        await asyncio.gather(*(upload_one(name, text) for name, text in documents.items()))


@asynccontextmanager
async def create_tenant(
    platform: Platform, tenant_id: str, *, user_count: int = 1
) -> AsyncIterator[TenantFixture]:
    """Create a tenant with logged-in users; delete it, with its documents, at the end."""
    context, name = platform.context, ("tenant", tenant_id)
    manifest = make_tenant_manifest(
        tenant_id,
        identity={"emails": [f"*@{tenant_id}.example"]},
        deletionPolicy="Delete",
        model=UNCACHED,
        quota=QUOTA,
    )
    await asyncio.to_thread(run_kubectl, context, "apply", "-f", "-", stdin=json.dumps(manifest))
    try:
        await asyncio.to_thread(run_kubectl, context, "wait", "--for=condition=Ready", "--timeout=60s", *name)
        async with AsyncExitStack() as stack:
            webui = await stack.enter_async_context(
                connect_as_administrator(context.build_url("open-webui"), *get_open_webui_admin(context))
            )
            people = await stack.enter_async_context(open_people(platform))
            emails = [
                f"{uuid.uuid4().hex}@{tenant_id}.example" for _ in range(user_count)
            ]  # Open WebUI does not know these users yet
            clients = []
            for email in emails:
                await people.add(email)
                person = await webui.log_in(email, PASSWORD)
                await wait_until(lambda person=person: _is_offered(person, tenant_id), seconds=60)  # type: ignore[misc]
                clients.append(await stack.enter_async_context(open_chat_client(webui.url, person)))
            headers = {"Authorization": f"Bearer {await people.fetch_token(emails[0])}"}
            gateway, file_sync = [
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=context.build_url(service), headers=headers, timeout=120)
                )
                for service in ("gateway", "file-sync")
            ]
            yield TenantFixture(
                platform,
                tenant_id,
                webui,
                clients,
                gateway,
                file_sync,
                await _get_knowledge_id(platform, name),
            )
    finally:
        await asyncio.to_thread(run_kubectl, context, "delete", *name, "--timeout=120s")


@asynccontextmanager
async def delay_model(platform: Platform, seconds: float) -> AsyncIterator[None]:
    """Delay every answer of the stand-in's model inside the block."""
    faults = (
        {"operation": operation, "fault": "delay", "delay": seconds, "times": UNLIMITED}
        for operation in ("Converse", "ConverseStream")
    )
    async with inject_faults(platform.context.build_url("bedrock"), *faults):
        yield


async def _is_offered(person: Any, tenant_id: str) -> bool:
    return build_model_id(tenant_id, "finance") in await person.list_models()


async def _get_knowledge_id(platform: Platform, name: tuple[str, str]) -> str:
    seen = await asyncio.to_thread(run_kubectl, platform.context, "get", *name, "-o", "json")
    workspace = Tenant.from_object(json.loads(seen)).status.workspace
    if not workspace:
        raise RuntimeError(f"{name[1]} has no workspace in Open WebUI")
    return workspace.knowledge[0].id
