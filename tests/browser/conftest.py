"""The whole platform, two companies in it, and a browser."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser
from tenancy.model import Tenant
from tenantry_local.parts.open_webui import open_webui_admin
from tenantry_local.platform import Platform

from tests.support.apiserver import Tenants
from tests.support.browser import Visitor, chromium, running_browser
from tests.support.open_webui import open_webui_administrator
from tests.support.people import PASSWORD, People, open_people
from tests.support.platform import running_whole_platform
from tests.support.tenants import ANEW, applied, tenant_manifest
from tests.support.waiting import until

READY_SECONDS = 60


@dataclass
class Company:
    """A company of the story.

    Parameters
    ----------
    id
        Its tenant id, new in every test.
    """

    id: str
    tenants: Tenants
    people: People

    @property
    def tenant(self) -> Tenant:
        """The Tenant as it is now."""
        return Tenant.from_object(self.tenants.get(self.id))

    def address(self, name: str) -> str:
        """Return an address that the company claims."""
        return f"{name}@{self.id}.example"

    def change(self, **spec: Any) -> None:
        """Change the Tenant."""
        self.tenants.patch(self.id, {"spec": spec})


@dataclass
class Street:
    """Where people of several companies come along."""

    platform: Platform
    browser: Browser
    people: People

    @property
    def url(self) -> str:
        """Open WebUI's address."""
        return self.platform.context.url("open-webui")

    @asynccontextmanager
    async def company(self, name: str) -> AsyncIterator[Company]:
        """Apply a Tenant, and take it away at the end with everything that it has."""
        tenant_id = f"{name}-{uuid.uuid4().hex[:6]}"
        manifest = tenant_manifest(
            tenant_id,
            displayName=name.capitalize(),
            identity={"emails": [f"*@{tenant_id}.example"]},
            deletionPolicy="Delete",
            model=ANEW,
        )
        with applied(self.platform, manifest) as tenants:
            company = Company(tenant_id, tenants, self.people)

            def is_ready() -> bool:
                ready = company.tenant.status.condition("Ready")
                return bool(ready and ready.status == "True" and company.tenant.status.workspace)

            await until(is_ready, seconds=READY_SECONDS)
            yield company

    async def visitor(self, email: str, *, verified: bool = True) -> Visitor:
        """Let somebody come who has never been here: an account in Keycloak, and a fresh browser."""
        await self.people.add(email, verified=verified)
        visitor = await Visitor.come(self.browser, self.url)
        await visitor.log_in(email, PASSWORD)
        return visitor


@pytest.fixture(scope="session")
def whole_platform() -> Iterator[Platform]:
    if not chromium():
        pytest.skip("there is no Chromium: apt-get install chromium, or set TENANTRY_TEST_CHROMIUM")
    with running_whole_platform() as running:
        yield running


@pytest.fixture(scope="session")
async def street(whole_platform: Platform) -> AsyncIterator[Street]:
    async with open_people(whole_platform) as people, running_browser() as browser:
        yield Street(whole_platform, browser, people)


@pytest.fixture(scope="session")
def plan() -> Path:
    """Return a PDF that names a budget of $5,000,000 on its second page."""
    demo = Path(__file__).parents[2] / "local" / "tenantry_local" / "demo" / "documents"
    return demo / "tenantb" / "finance" / "financial-plan-2026.pdf"


@pytest.fixture
async def slow_direct_answers(street: Street) -> AsyncIterator[None]:
    """The pipe asks the gateway, and the model takes its time between two words."""
    context = street.platform.context
    faults = f"{context.url('bedrock')}/standin/faults"
    slow = {"operation": "ConverseStream", "fault": "streamslow", "times": 10}
    async with (
        open_webui_administrator(street.url, *open_webui_admin(context)) as webui,
        httpx.AsyncClient() as http,
    ):
        await webui.set_valves(orchestrator="direct")
        (await http.put(faults, json=slow)).raise_for_status()
        yield
        (await http.delete(faults)).raise_for_status()
        await webui.set_valves(orchestrator="n8n")
