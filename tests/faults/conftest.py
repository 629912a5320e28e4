"""Fixtures of the fault tests: the whole platform, with tenants whose members upload files."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tenancy.names import build_model_id
from tenantry_local.parts.open_webui import get_open_webui_admin
from tenantry_local.platform import Platform

from tests.support.backends.keycloak_users import PASSWORD, open_people
from tests.support.documents.ground_truth import GroundTruth
from tests.support.open_webui.clients import Person, WebUI, connect_as_administrator
from tests.support.tenants.temporary import TemporaryTenant, TemporaryTenants
from tests.support.timing.waiting import wait_until


@dataclass
class FaultHarness(TemporaryTenants):
    """The platform with clients of Open WebUI and of the stores."""

    webui: WebUI
    ground_truth: GroundTruth

    @asynccontextmanager
    async def create_tenants(self, *names: str) -> AsyncIterator[list[TemporaryTenant]]:
        """Create several Tenants concurrently; delete them at the end."""
        async with AsyncExitStack() as stack:
            yield await asyncio.gather(
                *(stack.enter_async_context(self.create_tenant(name)) for name in names)
            )

    async def log_in_member(self, tenant: TemporaryTenant, name: str = "diana") -> tuple[Person, str]:
        """Log a new member of a tenant in; return the member and an access token."""
        email, model = tenant.make_address(name), build_model_id(tenant.id, "finance")
        await self.people.add(email)
        person = await self.webui.log_in(email, PASSWORD)

        async def is_offered() -> bool:
            return await person.list_models() == {model}

        # Open WebUI registers a new user when the page requests the models.
        await wait_until(is_offered, every=0.2)
        return person, await self.people.fetch_token(email)

    async def list_files(self, token: str) -> list[dict[str, Any]]:
        """Return the files of a user as file-sync reports them."""
        async with httpx.AsyncClient(
            base_url=self.platform.context.build_url("file-sync"), timeout=30
        ) as http:
            response = await http.get("/v1/files", headers={"Authorization": f"Bearer {token}"})
        assert response.is_success, response.text
        files: list[dict[str, Any]] = response.json()["files"]
        return files


@pytest.fixture(scope="session")
async def harness(platform_with_all_parts: Platform) -> AsyncIterator[FaultHarness]:
    url = platform_with_all_parts.context.build_url("open-webui")
    async with (
        open_people(platform_with_all_parts) as people,
        connect_as_administrator(url, *get_open_webui_admin(platform_with_all_parts.context)) as webui,
    ):
        yield FaultHarness(platform_with_all_parts, people, webui, GroundTruth(platform_with_all_parts))
