"""The operator on the real platform, a trigger at a time; and as a program."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tenant_operator.context import Context
from tenant_operator.reconcile import Outcome
from tenant_operator.settings import Settings
from tenantry_local.parts.services import operator_env
from tenantry_local.platform import Platform

from tests.support.apiserver import Tenants, admin_client
from tests.support.tenants import tenant_manifest
from tests.support.world import World


@pytest.fixture(scope="session")
def world(platform: Platform) -> Iterator[World]:
    opened = World(platform)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def tenants(platform: Platform) -> Iterator[Tenants]:
    with admin_client(platform) as api:
        yield Tenants(api)


class Driver:
    """Reconciles one Tenant when it is told to, as the controller would."""

    def __init__(self, context: Context, tenants: Tenants) -> None:
        self.context = context
        self._tenants = tenants

    async def reconcile(self, name: str) -> Outcome:
        """Show the operator the Tenant as the API server has it, and let it reconcile."""
        body = await asyncio.to_thread(self._tenants.get, name)
        assert body, f"there is no Tenant {name}"
        self.context.tenants.see(body)
        return await self.context.reconcile(name)

    async def settle(self, name: str, seconds: float = 30) -> None:
        """Reconcile until the Tenant is ready, or gone."""
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(self._tenants.get, name):
                if (await self.reconcile(name)).name == "ready":
                    return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def open_driver(platform: Platform, tenants: Tenants, **overrides: str) -> AsyncIterator[Driver]:
    """Open the operator's own wiring without its triggers; ``overrides`` replace settings."""
    env = operator_env(platform.context) | {
        f"OPERATOR_{key.upper()}": value for key, value in overrides.items()
    }
    # As long as it is open: the AWS SDK reads where STS is when it first needs it.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        context = await Context(Settings()).open()
        try:
            yield Driver(context, tenants)
        finally:
            await context.close()


@pytest.fixture
async def driver(platform: Platform, tenants: Tenants) -> AsyncIterator[Driver]:
    async with open_driver(platform, tenants) as opened:
        yield opened


class Stage:
    """Tenants of one test, taken away at its end with all that they had."""

    def __init__(self, tenants: Tenants, driver: Driver) -> None:
        self._tenants = tenants
        self._driver = driver
        self._names: list[str] = []

    def apply(self, name: str, **spec: Any) -> dict[str, Any]:
        """Apply a Tenant that takes everything with it when it goes."""
        self._names.append(name)
        return self._tenants.create(tenant_manifest(name, **({"deletionPolicy": "Delete"} | spec)))

    async def clear(self) -> None:
        """Delete what is left."""
        for name in self._names:
            if self._tenants.get(name):
                self._tenants.patch(name, {"spec": {"deletionPolicy": "Delete"}})
                self._tenants.delete(name)
            await self._driver.settle(name)


@pytest.fixture
async def stage(tenants: Tenants, driver: Driver) -> AsyncIterator[Stage]:
    opened = Stage(tenants, driver)
    yield opened
    await opened.clear()


def conditions(tenant: dict[str, Any] | None) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    assert tenant
    return {c["type"]: (c["status"], c["reason"]) for c in tenant["status"]["conditions"]}
