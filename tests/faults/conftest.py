"""The whole platform, companies whose people upload, and what can be done to the platform meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tenancy.names import model_id
from tenantry_local.parts.open_webui import open_webui_admin
from tenantry_local.platform import Platform

from tests.support.companies import Companies, Company
from tests.support.ground_truth import GroundTruth
from tests.support.open_webui import Person, WebUI, open_webui_administrator
from tests.support.people import PASSWORD, open_people
from tests.support.waiting import until


@dataclass
class Town(Companies):
    """Where companies come and go, and Open WebUI, which all of them use."""

    webui: WebUI
    truth: GroundTruth

    @asynccontextmanager
    async def companies(self, *names: str) -> AsyncIterator[list[Company]]:
        """Apply several Tenants, side by side."""
        async with AsyncExitStack() as stack:
            yield await asyncio.gather(*(stack.enter_async_context(self.company(name)) for name in names))

    async def employee(self, company: Company, name: str = "diana") -> tuple[Person, str]:
        """Let somebody log in for the first time; return them and an access token of theirs."""
        email, model = company.address(name), model_id(company.id, "finance")
        await self.people.add(email)
        person = await self.webui.log_in(email, PASSWORD)

        async def is_offered() -> bool:
            return await person.models() == {model}

        # The page asks for them first of all, and without that Open WebUI does not know a new one.
        await until(is_offered, every=0.2)
        return person, await self.people.token(email)

    async def files(self, token: str) -> list[dict[str, Any]]:
        """Return what file-sync tells somebody of their files."""
        async with httpx.AsyncClient(base_url=self.platform.context.url("file-sync"), timeout=30) as http:
            answer = await http.get("/v1/files", headers={"Authorization": f"Bearer {token}"})
        assert answer.is_success, answer.text
        files: list[dict[str, Any]] = answer.json()["files"]
        return files


@pytest.fixture(scope="session")
async def town(whole_platform: Platform) -> AsyncIterator[Town]:
    url = whole_platform.context.url("open-webui")
    async with (
        open_people(whole_platform) as people,
        open_webui_administrator(url, *open_webui_admin(whole_platform.context)) as webui,
    ):
        yield Town(whole_platform, people, webui, GroundTruth(whole_platform))
