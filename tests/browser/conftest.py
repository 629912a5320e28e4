"""Fixtures of the browser tests: the whole platform, tenants and a browser."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser
from tenantry_local.parts.open_webui import get_open_webui_admin
from tenantry_local.platform import Platform

from tests.support.backends.keycloak_users import PASSWORD, open_people
from tests.support.open_webui.browser import BrowserSession, find_chromium, run_browser
from tests.support.open_webui.clients import connect_as_administrator
from tests.support.programs.standins import inject_faults
from tests.support.tenants.temporary import TemporaryTenants


@dataclass
class BrowserHarness(TemporaryTenants):
    """The platform with a browser for users of several tenants."""

    browser: Browser

    async def open_session(self, email: str, *, verified: bool = True) -> BrowserSession:
        """Create an account in Keycloak, and log in as its user in a new browser context."""
        await self.people.add(email, verified=verified)
        session = await BrowserSession.open(self.browser, self.url)
        await session.log_in(email, PASSWORD)
        return session


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not find_chromium():
        pytest.skip("there is no Chromium: apt-get install chromium, or set TENANTRY_TEST_CHROMIUM")
    async with run_browser() as running:
        yield running


@pytest.fixture(scope="session")
async def harness(browser: Browser, platform_with_all_parts: Platform) -> AsyncIterator[BrowserHarness]:
    async with open_people(platform_with_all_parts) as people:
        yield BrowserHarness(platform_with_all_parts, people, browser)


@pytest.fixture(scope="session")
def plan() -> Path:
    """Return a PDF that names a budget of $5,000,000 on its second page."""
    demo = Path(__file__).parents[2] / "local" / "tenantry_local" / "demo" / "documents"
    return demo / "tenantb" / "finance" / "financial-plan-2026.pdf"


@pytest.fixture
async def slow_direct_answers(harness: BrowserHarness) -> AsyncIterator[None]:
    """Let the pipe ask the gateway directly, and the model pause between words."""
    context = harness.platform.context
    slow = {"operation": "ConverseStream", "fault": "streamslow", "times": 10}
    async with (
        connect_as_administrator(harness.url, *get_open_webui_admin(context)) as webui,
        webui.override_valves(orchestrator="direct"),
        inject_faults(context.build_url("bedrock"), slow),
    ):
        yield
