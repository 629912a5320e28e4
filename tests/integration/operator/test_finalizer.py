"""A Tenant whose finalizer somebody takes away, as the running operator sees it by itself."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import pytest
from tenant_operator.clients.cluster import FINALIZER
from tenantry_local.platform import Platform

from tests.support.apiserver import Tenants
from tests.support.operator_program import program
from tests.support.tenants import tenant_manifest
from tests.support.waiting import until
from tests.support.world import World

from .conftest import Stage, conditions

SPEC = {
    "deletionPolicy": "Delete",
    "identity": {"emails": ["*@replaced.example"]},
    "quota": {"compute": {"pods": "3"}},
}


def replace(world: World, name: str) -> None:
    """Replace a Tenant by the manifest that it was made of, which has no finalizers."""
    world.kubectl("replace", "-f", "-", stdin=json.dumps(tenant_manifest(name, **SPEC)))


def is_held(tenants: Tenants, name: str) -> bool:
    tenant = tenants.get(name)
    return tenant is not None and FINALIZER in tenant["metadata"].get("finalizers", [])


def is_ready(tenants: Tenants, name: str) -> bool:
    tenant = tenants.get(name)
    return (
        tenant is not None
        and "status" in tenant
        and is_held(tenants, name)
        and conditions(tenant).get("Ready") == ("True", "AsDeclared")
    )


@pytest.fixture
async def running(platform: Platform) -> AsyncIterator[asyncio.subprocess.Process]:
    async with program(platform, "tenant_operator") as process:
        yield process


@pytest.mark.usefixtures("running")
async def test_a_finalizer_that_was_replaced_away_is_put_back_and_the_tenant_goes_in_order(
    stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("replaced", **SPEC)
    await until(lambda: is_ready(tenants, "replaced"), seconds=60)
    for _ in range(3):
        replace(world, "replaced")
        await until(lambda: is_held(tenants, "replaced"), seconds=2)
    assert world.left("replaced")
    tenants.delete("replaced")
    await until(lambda: tenants.get("replaced") is None, seconds=20)
    assert world.left("replaced") == {}


@pytest.mark.parametrize("cascade", ["background", "foreground"])
async def test_a_tenant_that_is_deleted_before_its_finalizer_is_back_leaves_nothing(
    stage: Stage, tenants: Tenants, world: World, running: asyncio.subprocess.Process, cascade: str
) -> None:
    stage.apply("replaced", **SPEC)
    await until(lambda: is_ready(tenants, "replaced"), seconds=60)
    running.send_signal(signal.SIGSTOP)
    try:
        replace(world, "replaced")
        world.kubectl("delete", "tenant", "replaced", "--wait=false", f"--cascade={cascade}")
        await until(lambda: tenants.get("replaced") is None, seconds=20)
        assert world.left("replaced")
    finally:
        running.send_signal(signal.SIGCONT)
    await until(lambda: world.left("replaced") == {}, seconds=20, every=0.2)


@pytest.mark.usefixtures("running")
async def test_a_finalizer_that_is_taken_from_a_deletion_which_waits_leaves_nothing(
    platform: Platform, stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("stuck", **SPEC)
    await until(lambda: is_ready(tenants, "stuck"), seconds=60)
    platform.stop("keycloak")
    try:
        tenants.delete("stuck")
        await until(lambda: waits_for_identity(tenants, "stuck"), seconds=60)
        tenants.patch("stuck", {"metadata": {"finalizers": None}})
        await until(lambda: tenants.get("stuck") is None, seconds=20)
    finally:
        platform.start("keycloak")
    await until(lambda: world.left("stuck") == {}, seconds=60, every=0.2)


def waits_for_identity(tenants: Tenants, name: str) -> bool:
    tenant = tenants.get(name)
    return tenant is not None and conditions(tenant).get("IdentityReady", ("", ""))[0] == "False"
