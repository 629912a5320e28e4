"""Baseline for comparisons: Open WebUI with its own RAG, set up for two tenants.

It has a separate database, knowledge bases and vectors (pgvector). Embeddings and model come from the same
stand-in as the gateway's. A tenant is a group that may read one knowledge base and the model based on it. All
settings are defaults, except one: Open WebUI does not ask the model for search queries first. The stand-in
writes no queries, and a real model would take twice the time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from tenantry_local.platform import Platform

from tests.support.documents.uploads import SampleFile, upload
from tests.support.open_webui.clients import WebUI
from tests.support.programs.gateway import serve_app
from tests.support.timing.waiting import wait_until

from .adapter import EMBEDDINGS, MODEL, make_adapter
from .baseline_open_webui import run_open_webui
from .chat_client import ChatClient, open_chat_client

__all__ = ["Baseline", "BaselineTenant", "start_baseline"]

CONCURRENT_UPLOADS = 4
PROCESSING_TIMEOUT_SECONDS = 60


@dataclass
class BaselineTenant:
    """A group with its knowledge base, its model and clients of its users."""

    model: str
    knowledge_id: str
    clients: list[ChatClient]


class Baseline:
    """Running Open WebUI without Tenantry.

    Parameters
    ----------
    webui
        API client of Open WebUI's administrator.
    stack
        Exit stack for the clients.
    """

    def __init__(self, webui: WebUI, stack: AsyncExitStack) -> None:
        self._webui = webui
        self._stack = stack

    async def create_tenant(self, name: str, *, user_count: int) -> BaselineTenant:
        """Create a tenant with users."""
        admin = self._webui.admin
        group_id = await self._webui.add_group(name)
        grants = [{"principal_type": "group", "principal_id": group_id, "permission": "read"}]
        base = {"name": name, "access_grants": grants}
        knowledge = await admin.post("/api/v1/knowledge/create", {**base, "description": name})
        attached = {"id": knowledge["id"], "name": name, "type": "collection"}
        model = {
            "id": name,
            "base_model_id": MODEL,
            "meta": {"knowledge": [attached]},
            # Otherwise Open WebUI offers search tools to the model, and asks it twice.
            "params": {"function_calling": "legacy"},
            "is_active": True,
        }
        await admin.post("/api/v1/models/create", {**base, **model})
        people = [await self._webui.add_person(f"{name}-{number}") for number in range(user_count)]
        ids = {"user_ids": [person.id for person in people]}
        await admin.post(f"/api/v1/groups/id/{group_id}/users/add", ids)
        await admin.get("/api/models", params={"refresh": "true"})
        clients = [
            await self._stack.enter_async_context(open_chat_client(self._webui.url, person))
            for person in people
        ]
        return BaselineTenant(name, knowledge["id"], clients)

    async def upload(self, company: BaselineTenant, documents: dict[str, str]) -> list[str]:
        """Upload documents into a knowledge base, wait until they are searchable, and return their ids."""
        bound = asyncio.Semaphore(CONCURRENT_UPLOADS)

        async def upload_one(name: str, text: str) -> str:
            async with bound:
                paper = SampleFile(name, text.encode())
                response = await upload(self._webui.admin, company.knowledge_id, paper)
                response.raise_for_status()
                file_id: str = response.json()["id"]
                await wait_until(lambda: self._is_processed(file_id), seconds=PROCESSING_TIMEOUT_SECONDS)
                return file_id

        return await asyncio.gather(*(upload_one(name, text) for name, text in documents.items()))

    async def _is_processed(self, file_id: str) -> bool:
        status = (await self._webui.admin.get(f"/api/v1/files/{file_id}/process/status"))["status"]
        if status == "failed":
            raise RuntimeError(f"Open WebUI could not read {file_id}")
        return bool(status == "completed")


@asynccontextmanager
async def start_baseline(platform: Platform) -> AsyncIterator[Baseline]:
    """Start the baseline next to a platform, with a separate database, and stop it at the end."""
    async with AsyncExitStack() as stack:
        bedrock = await stack.enter_async_context(
            httpx.AsyncClient(base_url=platform.context.build_url("bedrock"), timeout=120)
        )
        adapter = await stack.enter_async_context(serve_app(make_adapter(bedrock)))
        webui = await stack.enter_async_context(run_open_webui(platform, _make_settings(f"{adapter}/v1")))
        await _publish_base_model(webui)
        yield Baseline(webui, stack)


async def _publish_base_model(webui: WebUI) -> None:
    """Let all users use the base model of the tenants' models."""
    grant = {"principal_type": "user", "principal_id": "*", "permission": "read"}
    model = {"id": MODEL, "name": MODEL, "meta": {}, "params": {}, "access_grants": [grant]}
    await webui.admin.post("/api/v1/models/create", {**model, "base_model_id": None, "is_active": True})


def _make_settings(openai: str) -> dict[str, str]:
    return {
        "ENABLE_OLLAMA_API": "false",
        "ENABLE_OPENAI_API": "true",
        "OPENAI_API_BASE_URL": openai,
        "OPENAI_API_KEY": "any",
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_EMBEDDING_MODEL": EMBEDDINGS,
        "RAG_OPENAI_API_BASE_URL": openai,
        "RAG_OPENAI_API_KEY": "any",
        "ENABLE_RETRIEVAL_QUERY_GENERATION": "false",
        "ENABLE_TITLE_GENERATION": "false",
        "ENABLE_TAGS_GENERATION": "false",
        "ENABLE_FOLLOW_UP_GENERATION": "false",
        "DATABASE_POOL_SIZE": "20",  # as in Tenantry
    }
