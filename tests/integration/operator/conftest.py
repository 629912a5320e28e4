"""Fixtures of the operator's tests on the real platform: one reconcile at a time, or as a program."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tenancy.model import Tenant
from tenancy.names import answers_key, collection_name, tenant_prefix
from tenant_operator.context import OperatorContext
from tenant_operator.part import Part
from tenant_operator.reconcile import Outcome
from tenant_operator.settings import OperatorSettings
from tenantry_local.parts.aws import BUCKET
from tenantry_local.parts.services import operator_env
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants, open_admin_client
from tests.support.backends.observed import Observed
from tests.support.tenants.manifests import tenant_manifest


@pytest.fixture(scope="session")
def observed(platform: Platform) -> Iterator[Observed]:
    opened = Observed(platform)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def tenants(platform: Platform) -> Iterator[Tenants]:
    with open_admin_client(platform) as api:
        yield Tenants(api)


class Driver:
    """Runs single reconciles, as the controller does."""

    def __init__(self, context: OperatorContext, tenants: Tenants) -> None:
        self.context = context
        self._tenants = tenants

    async def reconcile(self, name: str) -> Outcome:
        """Pass the Tenant of the API server to the operator, and reconcile it."""
        body = await asyncio.to_thread(self._tenants.get, name)
        assert body, f"there is no Tenant {name}"
        self.context.tenants.update(body)
        return await self.context.controller.reconcile(name)

    async def reconcile_until_ready(self, name: str, seconds: float = 30) -> None:
        """Reconcile until the Tenant is ready or deleted."""
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(self._tenants.get, name):
                if (await self.reconcile(name)).name == "ready":
                    return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def open_driver(platform: Platform, tenants: Tenants, **overrides: str) -> AsyncIterator[Driver]:
    """Open the operator's context without its triggers; ``overrides`` replace settings."""
    env = operator_env(platform.context) | {
        f"OPERATOR_{key.upper()}": value for key, value in overrides.items()
    }
    # For the whole lifetime: the AWS SDK reads the address of STS with the first call.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        context = await OperatorContext(OperatorSettings()).open()
        try:
            yield Driver(context, tenants)
        finally:
            await context.close()


@pytest.fixture
async def driver(platform: Platform, tenants: Tenants) -> AsyncIterator[Driver]:
    async with open_driver(platform, tenants) as opened:
        yield opened


class OperatorHarness:
    """Tenants of one test, deleted at its end with all their data."""

    def __init__(self, tenants: Tenants, driver: Driver) -> None:
        self._tenants = tenants
        self._driver = driver
        self._names: list[str] = []

    def apply(self, name: str, **spec: Any) -> dict[str, Any]:
        """Apply a Tenant with the deletion policy ``Delete``."""
        self._names.append(name)
        return self._tenants.create(tenant_manifest(name, **({"deletionPolicy": "Delete"} | spec)))

    async def delete_all(self) -> None:
        """Delete all Tenants that were applied."""
        for name in self._names:
            if self._tenants.get(name):
                self._tenants.patch(name, {"spec": {"deletionPolicy": "Delete"}})
                self._tenants.delete(name)
            await self._driver.reconcile_until_ready(name)


@pytest.fixture
async def harness(tenants: Tenants, driver: Driver) -> AsyncIterator[OperatorHarness]:
    opened = OperatorHarness(tenants, driver)
    yield opened
    await opened.delete_all()


def get_conditions(tenant: dict[str, Any] | None) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    assert tenant
    return {c["type"]: (c["status"], c["reason"]) for c in tenant["status"]["conditions"]}


@dataclass(frozen=True)
class OpenedPart:
    """One part, a Tenant that is as declared, and the state that the part observed before the first run."""

    part: Part[Any]
    tenant: Tenant
    before: Any


async def open_part(
    name: str, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> OpenedPart:
    """Create a Tenant that needs every part, and return one of them."""
    observed.add_person("boss@contract.example")
    applied = harness.apply(
        "contract",
        tier="dedicated",
        identity={"emails": ["*@contract.example"], "admins": ["boss@contract.example"]},
        quota={"compute": {"pods": "1"}},
    )
    (part,) = [each for each in driver.context.parts if each.name == name]
    before = await part.observe(Tenant.from_object(applied))
    await driver.reconcile_until_ready("contract")
    tenant = Tenant.from_object(tenants.get("contract"))
    _put_data(tenant, observed)
    return OpenedPart(part, tenant, before)


def _put_data(tenant: Tenant, observed: Observed) -> None:
    """Store an object, two points and a key of a tenant, which its services would write."""
    observed.s3.put_object(Bucket=BUCKET, Key=f"{tenant_prefix(tenant.id)}documents/a.txt", Body=b"a")
    for _ in range(2):
        observed.put_point(collection_name(tenant.id, dedicated=True), {"tenantId": tenant.key})
    observed.redis.set(answers_key(tenant.id, tenant.uid), "a", ex=600)
