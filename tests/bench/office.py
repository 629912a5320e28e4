"""A company on the whole platform: people who are logged in to the real Open WebUI, each with a page open."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from tenancy.model import Tenant
from tenancy.names import model_id
from tenantry_local.parts.kubernetes import kubectl
from tenantry_local.parts.open_webui import open_webui_admin
from tenantry_local.platform import Platform

from tests.support.open_webui import WebUI, open_webui_administrator
from tests.support.people import PASSWORD, open_people
from tests.support.standins import spoilt
from tests.support.tenants import ANEW, tenant_manifest
from tests.support.waiting import until

from .page import Page, open_page

__all__ = ["Office", "model_takes", "open_office"]

QUOTA = {"queriesPerMinute": 1_000_000, "tokensPerMonth": 1_000_000_000}
"""What is measured is the way, not the limit at its end."""

ALWAYS = 1_000_000
"""As many times as a fault is to be had: until it is taken back."""

UPLOADS_AT_ONCE = 4


@dataclass
class Office:
    """A company and what its people have open.

    Parameters
    ----------
    gateway, file_sync
        Clients with the token of the first of its people.
    knowledge_id
        The knowledge base of its persona.
    """

    platform: Platform
    tenant_id: str
    webui: WebUI
    pages: list[Page]
    gateway: httpx.AsyncClient
    file_sync: httpx.AsyncClient
    knowledge_id: str

    @property
    def model(self) -> str:
        """Its persona's model in Open WebUI."""
        return model_id(self.tenant_id, "finance")

    async def upload(self, documents: dict[str, str]) -> None:
        """Put documents in through the gateway, a few at a time."""
        bound = asyncio.Semaphore(UPLOADS_AT_ONCE)

        async def one(name: str, text: str) -> None:
            async with bound:
                files, data = {"file": (name, text.encode())}, {"personaId": "finance"}
                (await self.gateway.post("/v1/documents", files=files, data=data)).raise_for_status()

        await asyncio.gather(*(one(name, text) for name, text in documents.items()))


@asynccontextmanager
async def open_office(platform: Platform, tenant_id: str, *, staff: int = 1) -> AsyncIterator[Office]:
    """Make a company whose people are logged in; its documents go with it at the end."""
    context, name = platform.context, ("tenant", tenant_id)
    manifest = tenant_manifest(
        tenant_id,
        identity={"emails": [f"*@{tenant_id}.example"]},
        deletionPolicy="Delete",
        model=ANEW,
        quota=QUOTA,
    )
    await asyncio.to_thread(kubectl, context, "apply", "-f", "-", stdin=json.dumps(manifest))
    try:
        await asyncio.to_thread(kubectl, context, "wait", "--for=condition=Ready", "--timeout=60s", *name)
        async with AsyncExitStack() as stack:
            webui = await stack.enter_async_context(
                open_webui_administrator(context.url("open-webui"), *open_webui_admin(context))
            )
            people = await stack.enter_async_context(open_people(platform))
            emails = [f"{uuid.uuid4().hex}@{tenant_id}.example" for _ in range(staff)]  # new to Open WebUI
            pages = []
            for email in emails:
                await people.add(email)
                person = await webui.log_in(email, PASSWORD)
                await until(lambda person=person: _offered(person, tenant_id), seconds=60)  # type: ignore[misc]
                pages.append(await stack.enter_async_context(open_page(webui.url, person)))
            headers = {"Authorization": f"Bearer {await people.token(emails[0])}"}
            gateway, file_sync = [
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=context.url(service), headers=headers, timeout=120)
                )
                for service in ("gateway", "file-sync")
            ]
            yield Office(
                platform, tenant_id, webui, pages, gateway, file_sync, await _knowledge(platform, name)
            )
    finally:
        await asyncio.to_thread(kubectl, context, "delete", *name, "--timeout=120s")


@asynccontextmanager
async def model_takes(platform: Platform, seconds: float) -> AsyncIterator[None]:
    """Let the stand-in's model take so long for every answer inside the block."""
    faults = (
        {"operation": operation, "fault": "delay", "delay": seconds, "times": ALWAYS}
        for operation in ("Converse", "ConverseStream")
    )
    async with spoilt(platform.context.url("bedrock"), *faults):
        yield


async def _offered(person: Any, tenant_id: str) -> bool:
    return model_id(tenant_id, "finance") in await person.models()


async def _knowledge(platform: Platform, name: tuple[str, str]) -> str:
    seen = await asyncio.to_thread(kubectl, platform.context, "get", *name, "-o", "json")
    workspace = Tenant.from_object(json.loads(seen)).status.workspace
    if not workspace:
        raise RuntimeError(f"{name[1]} has nothing in Open WebUI")
    return workspace.knowledge[0].id
