"""Fixtures of the operator's tests with the real Open WebUI.

All tests share one operator, because Open WebUI limits an account to 15 sign-ins in three minutes.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
from tenantry_local.parts.open_webui import get_open_webui_admin
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.open_webui.observed import ObservedOpenWebUI

from ..conftest import Driver, open_driver


@pytest.fixture(scope="session")
def webui(with_open_webui: Platform) -> Iterator[ObservedOpenWebUI]:
    opened = ObservedOpenWebUI(with_open_webui)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def settings(with_open_webui: Platform) -> dict[str, str]:
    """Return the settings of the operator for Open WebUI."""
    email, password = get_open_webui_admin(with_open_webui.context)
    url = with_open_webui.context.build_url("open-webui")
    return {"open_webui_url": url, "open_webui_email": email, "open_webui_password": password}


@pytest.fixture(scope="session")
async def driver(platform: Platform, tenants: Tenants, settings: dict[str, str]) -> AsyncIterator[Driver]:
    async with open_driver(platform, tenants, **settings) as opened:
        yield opened


def create_person(observed: Observed, webui: ObservedOpenWebUI, email: str) -> str:
    """Create a person who has logged in to Open WebUI; return the id in Keycloak."""
    subject = observed.add_person(email)
    webui.drop_user(email)
    webui.add_user(email, subject)
    return subject
