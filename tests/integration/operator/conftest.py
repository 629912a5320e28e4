"""Fixtures of the operator's tests on the real platform: run single reconciles, or the whole program."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tenancy.model import Tenant
from tenancy.names import build_answers_key, build_collection_name, build_tenant_prefix
from tenant_operator.context import OperatorContext
from tenant_operator.part import Part
from tenant_operator.reconcile import Outcome
from tenant_operator.settings import OperatorSettings
from tenantry_local.parts.aws import BUCKET
from tenantry_local.parts.services import build_operator_env
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants, open_admin_client
from tests.support.backends.observed import Observed
from tests.support.faults.crashes import crash_after
from tests.support.programs.operator_program import run_operator
from tests.support.tenants.manifests import make_tenant_manifest
from tests.support.tenants.part_contract import list_conditions


@pytest.fixture(scope="session")
def observed(platform: Platform) -> Iterator[Observed]:
    opened = Observed(platform)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def tenants(platform: Platform) -> Iterator[Tenants]:
    with open_admin_client(platform) as api:
        yield Tenants(api)


FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.1, 1.0
"""Pauses between the reconciles of a Tenant that is not ready yet."""


class Driver:
    """Runs single reconciles, as the controller does."""

    def __init__(self, context: OperatorContext, tenants: Tenants) -> None:
        self.context = context
        self._tenants = tenants

    async def reconcile(self, name: str) -> Outcome:
        """Read a Tenant from the API server, pass it to the operator as an event, and reconcile it."""
        body = await asyncio.to_thread(self._tenants.get, name)
        assert body, f"there is no Tenant {name}"
        self.context.tenants.update(body)
        return await self.context.controller.reconcile(name)

    async def reconcile_until_ready(self, name: str, seconds: float = 30) -> None:
        """Reconcile until the Tenant is ready or deleted.

        Kubernetes deletes a namespace after 5 seconds, so the pauses between reconciles grow.
        """
        pause = FIRST_PAUSE_SECONDS
        async with asyncio.timeout(seconds):
            while await asyncio.to_thread(self._tenants.get, name):
                if (await self.reconcile(name)).name == "ready":
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE_SECONDS)


@asynccontextmanager
async def open_driver(platform: Platform, tenants: Tenants, **overrides: str) -> AsyncIterator[Driver]:
    """Open the operator's context without kopf; ``overrides`` replace settings."""
    env = build_operator_env(platform.context) | {
        f"OPERATOR_{key.upper()}": value for key, value in overrides.items()
    }
    # Set the variable for the driver's lifetime: the AWS SDK reads the address of STS with the first call.
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
        return self._tenants.create(make_tenant_manifest(name, **({"deletionPolicy": "Delete"} | spec)))

    async def delete_all(self) -> None:
        """Delete all Tenants that were applied, concurrently."""
        names, self._names = list(dict.fromkeys(self._names)), []
        for name in names:
            if self._tenants.get(name):
                self._tenants.patch(name, {"spec": {"deletionPolicy": "Delete"}})
                self._tenants.delete(name)
        await asyncio.gather(*map(self._driver.reconcile_until_ready, names))


@pytest.fixture
async def harness(tenants: Tenants, driver: Driver) -> AsyncIterator[OperatorHarness]:
    opened = OperatorHarness(tenants, driver)
    yield opened
    await opened.delete_all()


@pytest.fixture(scope="module")
async def operator_program(platform: Platform) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the operator as one separate program for all tests of a module."""
    async with run_operator(platform, "tenant_operator") as process:
        yield process


async def crash_reconcile_after(last: int, driver: Driver, name: str, *, system: str = "") -> bool:
    """Reconcile, and crash after ``last`` calls; return False if the reconcile ended before the crash.

    With ``system`` only calls of that system count.
    """
    return await crash_after(
        last, lambda: driver.reconcile(name), counts=lambda remote, _: system in ("", remote.system)
    )


def get_conditions(tenant: dict[str, Any] | None) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    assert tenant
    return {c["type"]: (c["status"], c["reason"]) for c in tenant["status"]["conditions"]}


SYSTEMS = {
    "StorageReady": "s3",
    "VectorsReady": "qdrant",
    "IdentityReady": "keycloak",
    "QuotaReady": "kubernetes",
    "WorkspaceReady": "open-webui",
}
"""System that each part needs, by the part's condition. A part that is not listed may need any system."""

AS_DECLARED = ("True", "AsDeclared")


def list_unaffected(system: str, *, open_webui: bool = False) -> set[str]:
    """Return the conditions that stay true while a system is unavailable."""
    return {
        type_
        for type_ in list_conditions(open_webui=open_webui)
        if type_ in SYSTEMS and SYSTEMS[type_] != system
    }


def check_part_conditions(
    tenant: dict[str, Any] | None, system: str, reason: str, *, open_webui: bool = False
) -> None:
    """Check that every part has a condition, and that only the parts of an unavailable system failed."""
    seen, failed = get_conditions(tenant), ("False", reason)
    parts = list_conditions(open_webui=open_webui)
    assert seen.keys() == parts | {"Ready", "Reconciling", "Stalled"}
    for type_ in parts - SYSTEMS.keys():
        assert seen[type_] in (AS_DECLARED, failed), type_
    for type_ in parts & SYSTEMS.keys():
        assert seen[type_] == (failed if SYSTEMS[type_] == system else AS_DECLARED), type_


@dataclass(frozen=True)
class OpenedPart:
    """One part, a Tenant after the part's first run, and the state observed before that run."""

    part: Part[Any]
    tenant: Tenant
    before: Any


async def open_part(
    name: str,
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    tenant_id: str = "contract",
) -> OpenedPart:
    """Create a Tenant that needs every part, and return one of them."""
    observed.add_person(f"boss@{tenant_id}.example")
    applied = harness.apply(
        tenant_id,
        tier="dedicated",
        identity={"emails": [f"*@{tenant_id}.example"], "admins": [f"boss@{tenant_id}.example"]},
        quota={"compute": {"pods": "1"}},
    )
    (part,) = [each for each in driver.context.parts if each.name == name]
    before = await part.observe(Tenant.from_object(applied))
    await driver.reconcile_until_ready(tenant_id)
    tenant = Tenant.from_object(tenants.get(tenant_id))
    _put_data(tenant, observed)
    return OpenedPart(part, tenant, before)


def _put_data(tenant: Tenant, observed: Observed) -> None:
    """Store an object, two points and a key of a tenant, as the services would write them."""
    observed.s3.put_object(Bucket=BUCKET, Key=f"{build_tenant_prefix(tenant.id)}documents/a.txt", Body=b"a")
    for _ in range(2):
        observed.put_point(build_collection_name(tenant.id, dedicated=True), {"tenantId": tenant.key})
    observed.redis.set(build_answers_key(tenant.id, tenant.uid), "a", ex=600)
