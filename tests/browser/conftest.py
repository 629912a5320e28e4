"""The whole platform, companies in it, and a browser."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser
from tenantry_local.parts.open_webui import open_webui_admin
from tenantry_local.platform import Platform

from tests.support.browser import Visitor, chromium, running_browser
from tests.support.companies import Companies
from tests.support.open_webui import open_webui_administrator
from tests.support.people import PASSWORD, open_people
from tests.support.standins import injected_faults


@dataclass
class Street(Companies):
    """Where people of several companies come along, each before a browser of their own."""

    browser: Browser

    async def visitor(self, email: str, *, verified: bool = True) -> Visitor:
        """Let somebody come who has never been here: an account in Keycloak, and a fresh browser."""
        await self.people.add(email, verified=verified)
        visitor = await Visitor.come(self.browser, self.url)
        await visitor.log_in(email, PASSWORD)
        return visitor


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not chromium():
        pytest.skip("there is no Chromium: apt-get install chromium, or set TENANTRY_TEST_CHROMIUM")
    async with running_browser() as running:
        yield running


@pytest.fixture(scope="session")
async def street(browser: Browser, whole_platform: Platform) -> AsyncIterator[Street]:
    async with open_people(whole_platform) as people:
        yield Street(whole_platform, people, browser)


@pytest.fixture(scope="session")
def plan() -> Path:
    """Return a PDF that names a budget of $5,000,000 on its second page."""
    demo = Path(__file__).parents[2] / "local" / "tenantry_local" / "demo" / "documents"
    return demo / "tenantb" / "finance" / "financial-plan-2026.pdf"


@pytest.fixture
async def slow_direct_answers(street: Street) -> AsyncIterator[None]:
    """The pipe asks the gateway, and the model takes its time between two words."""
    context = street.platform.context
    slow = {"operation": "ConverseStream", "fault": "streamslow", "times": 10}
    async with (
        open_webui_administrator(street.url, *open_webui_admin(context)) as webui,
        webui.valves(orchestrator="direct"),
        injected_faults(context.url("bedrock"), slow),
    ):
        yield
