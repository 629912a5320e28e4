"""Open WebUI with its own RAG, as it is without us: the same program, set up for two companies.

Its own database, knowledge bases and vectors (pgvector); embeddings and model are the stand-in that our
gateway asks. Companies are groups, as Open WebUI has it: a group reads its knowledge base and the model that
stands on it. All else is its default, but that the model is not asked for search queries first: a stand-in
writes none, and a real one would take its time twice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from tenantry_local.platform import Platform

from tests.support.gateway import serving
from tests.support.open_webui import WebUI
from tests.support.uploads import SampleFile, upload
from tests.support.waiting import until

from .adapter import EMBEDDINGS, MODEL, make_adapter
from .page import Page, open_page
from .second_open_webui import running_open_webui

__all__ = ["Peer", "PeerCompany", "open_peer"]

UPLOADS_AT_ONCE = 4
READ_SECONDS = 60


@dataclass
class PeerCompany:
    """A group with its knowledge base, its model and its people."""

    model: str
    knowledge_id: str
    pages: list[Page]


class Peer:
    """The running program.

    Parameters
    ----------
    webui
        Its administrator.
    stack
        What is closed at the end.
    """

    def __init__(self, webui: WebUI, stack: AsyncExitStack) -> None:
        self._webui = webui
        self._stack = stack

    async def company(self, name: str, *, staff: int) -> PeerCompany:
        """Make a company."""
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
            # Else the model is given tools to search with, and asked twice.
            "params": {"function_calling": "legacy"},
            "is_active": True,
        }
        await admin.post("/api/v1/models/create", {**base, **model})
        people = [await self._webui.add_person(f"{name}-{number}") for number in range(staff)]
        ids = {"user_ids": [person.id for person in people]}
        await admin.post(f"/api/v1/groups/id/{group_id}/users/add", ids)
        await admin.get("/api/models", params={"refresh": "true"})
        pages = [
            await self._stack.enter_async_context(open_page(self._webui.url, person)) for person in people
        ]
        return PeerCompany(name, knowledge["id"], pages)

    async def upload(self, company: PeerCompany, documents: dict[str, str]) -> list[str]:
        """Put documents into a knowledge base, wait until they can be searched, and return their ids."""
        bound = asyncio.Semaphore(UPLOADS_AT_ONCE)

        async def one(name: str, text: str) -> str:
            async with bound:
                paper = SampleFile(name, text.encode())
                response = await upload(self._webui.admin, company.knowledge_id, paper)
                response.raise_for_status()
                file_id: str = response.json()["id"]
                await until(lambda: self._read(file_id), seconds=READ_SECONDS)
                return file_id

        return await asyncio.gather(*(one(name, text) for name, text in documents.items()))

    async def _read(self, file_id: str) -> bool:
        status = (await self._webui.admin.get(f"/api/v1/files/{file_id}/process/status"))["status"]
        if status == "failed":
            raise RuntimeError(f"Open WebUI could not read {file_id}")
        return bool(status == "completed")


@asynccontextmanager
async def open_peer(platform: Platform) -> AsyncIterator[Peer]:
    """Start it beside a platform, with a database of its own, and stop it at the end."""
    async with AsyncExitStack() as stack:
        bedrock = await stack.enter_async_context(
            httpx.AsyncClient(base_url=platform.context.url("bedrock"), timeout=120)
        )
        adapter = await stack.enter_async_context(serving(make_adapter(bedrock)))
        webui = await stack.enter_async_context(running_open_webui(platform, _settings(f"{adapter}/v1")))
        await _offer_model(webui)
        yield Peer(webui, stack)


async def _offer_model(webui: WebUI) -> None:
    """Let everybody use the model on which those of the companies stand."""
    grant = {"principal_type": "user", "principal_id": "*", "permission": "read"}
    model = {"id": MODEL, "name": MODEL, "meta": {}, "params": {}, "access_grants": [grant]}
    await webui.admin.post("/api/v1/models/create", {**model, "base_model_id": None, "is_active": True})


def _settings(openai: str) -> dict[str, str]:
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
        "DATABASE_POOL_SIZE": "20",  # as ours
    }
