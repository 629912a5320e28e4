"""A real Open WebUI with Keycloak before it and stand-ins for our services behind it, installed once."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from tenantry_local.parts.open_webui import open_webui_admin
from tenantry_local.platform import Platform
from webui_install.install import install
from webui_install.settings import Settings

from tests.support.gateway import serving
from tests.support.open_webui import Person, WebUI, open_webui_administrator
from tests.support.people import PASSWORD, People, open_people
from tests.support.services import Services
from tests.support.waiting import until

SECRET = "a-secret-of-tests-for-hints"


@dataclass
class Office:
    """Open WebUI with all that it talks to."""

    webui: WebUI
    services: Services
    people: People
    settings: Settings
    tenant: str
    """A tenant's key; it has the persona ``finance``."""
    group: str
    """Id of its group."""

    @property
    def model(self) -> str:
        """Its persona's model."""
        return f"{self.tenant}.finance"

    @property
    def path(self) -> str:
        """Name of its group."""
        return f"/tenants/{self.tenant}"

    async def install(self) -> int:
        """Run the installer; return how many changes it made."""
        return await install(self.settings)

    async def join(self, name: str) -> Person:
        """Make a person of the tenant, who logs in through Keycloak for the first time."""
        email = f"{name}-{uuid.uuid4().hex[:8]}@office.example"
        await self.people.add(email)
        self.services.belongs(email, self.tenant)
        person = await self.webui.log_in(email, PASSWORD)
        await self.becomes_member(person, {self.path})
        return person

    async def groups(self, person: Person) -> set[str]:
        """Return the names of a person's groups."""
        groups = await self.webui.admin.get(f"/api/v1/users/{person.id}/groups")
        return {group["name"] for group in groups}

    async def becomes_member(self, person: Person, groups: set[str]) -> None:
        """Wait until a person is in exactly these groups."""

        async def is_member() -> bool:
            return await self.groups(person) == groups

        await until(is_member)


@pytest.fixture(scope="session")
async def session_office(with_open_webui: Platform) -> AsyncIterator[Office]:
    context, services = with_open_webui.context, Services()
    admin = open_webui_admin(context)
    async with (
        serving(services.app()) as url,
        open_people(with_open_webui) as people,
        open_webui_administrator(context.url("open-webui"), *admin) as webui,
    ):
        settings = Settings(
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
        office = Office(webui, services, people, settings, tenant, group)
        await webui.add_persona(office.model, group)
        yield office


@pytest.fixture
async def office(session_office: Office) -> AsyncIterator[Office]:
    """Everything as after the installation."""
    session_office.services.reset()
    yield session_office
    session_office.services.reset()
    await session_office.webui.set_valves(orchestrator="n8n", fallback_to_direct=True)
