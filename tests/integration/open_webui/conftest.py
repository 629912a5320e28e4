"""Fixtures: a real Open WebUI with Keycloak and fakes of Tenantry's services, installed once."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from tenantry_local.parts.open_webui import get_open_webui_admin
from tenantry_local.platform import Platform
from webui_install.install import install
from webui_install.settings import WebUIInstallSettings

from tests.support.backends.keycloak_users import PASSWORD, People, open_people
from tests.support.open_webui.clients import Person, WebUI, connect_as_administrator
from tests.support.open_webui.services import Services
from tests.support.programs.gateway import serve_app
from tests.support.timing.waiting import wait_until

SECRET = "a-secret-of-tests-for-hints"


@dataclass
class OpenWebUIHarness:
    """Open WebUI and the services that it uses."""

    webui: WebUI
    services: Services
    people: People
    settings: WebUIInstallSettings
    tenant: str
    """Key of a tenant with the persona ``finance``."""
    group: str
    """Id of the tenant's group."""

    @property
    def model(self) -> str:
        """Return the id of the persona's model."""
        return f"{self.tenant}.finance"

    @property
    def path(self) -> str:
        """Return the name of the tenant's group."""
        return f"/tenants/{self.tenant}"

    async def install(self) -> int:
        """Run the installer and return the number of its changes."""
        return await install(self.settings)

    async def add_member(self, name: str) -> Person:
        """Create a member of the tenant and log it in through Keycloak for the first time."""
        email = f"{name}-{uuid.uuid4().hex[:8]}@office.example"
        await self.people.add(email)
        self.services.add_member(email, self.tenant)
        person = await self.webui.log_in(email, PASSWORD)
        await self.wait_for_groups(person, {self.path})
        return person

    async def list_groups(self, person: Person) -> set[str]:
        """Return the names of a user's groups."""
        groups = await self.webui.admin.get(f"/api/v1/users/{person.id}/groups")
        return {group["name"] for group in groups}

    async def wait_for_groups(self, person: Person, groups: set[str]) -> None:
        """Wait until a user is in exactly these groups."""

        async def is_member() -> bool:
            return await self.list_groups(person) == groups

        await wait_until(is_member)


@pytest.fixture(scope="session")
async def session_harness(with_open_webui: Platform) -> AsyncIterator[OpenWebUIHarness]:
    context, services = with_open_webui.context, Services()
    admin = get_open_webui_admin(context)
    async with (
        serve_app(services.make_app()) as url,
        open_people(with_open_webui) as people,
        connect_as_administrator(context.build_url("open-webui"), *admin) as webui,
    ):
        settings = WebUIInstallSettings(
            url=webui.url,
            admin_email=admin[0],
            admin_password=SecretStr(admin[1]),
            gateway_url=url,
            n8n_url=url,
            file_sync_url=url,
            hint_secret=SecretStr(SECRET),
        )
        await install(settings)
        tenant = f"tenant-office-{uuid.uuid4().hex[:8]}"
        group = await webui.add_tenant_group(tenant)
        harness = OpenWebUIHarness(webui, services, people, settings, tenant, group)
        await webui.add_persona(harness.model, group)
        yield harness


@pytest.fixture
async def harness(session_harness: OpenWebUIHarness) -> AsyncIterator[OpenWebUIHarness]:
    """The harness, reset to the state after the installation."""
    session_harness.services.reset()
    yield session_harness
    session_harness.services.reset()
    await session_harness.webui.set_valves(orchestrator="n8n", fallback_to_direct=True)
