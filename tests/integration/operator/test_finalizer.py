"""Tests of Tenants whose finalizer another program removes, with the running operator."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import pytest
from tenant_operator.clients.cluster import FINALIZER
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.faults.proxy import Proxy
from tests.support.programs.operator_program import run_operator
from tests.support.tenants.manifests import make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .conftest import OperatorHarness, get_conditions

SPEC = {
    "deletionPolicy": "Delete",
    "identity": {"emails": ["*@replaced.example"]},
    "quota": {"compute": {"pods": "3"}},
}


def replace(observed: Observed, name: str) -> None:
    """Replace a Tenant by its manifest, which has no finalizers."""
    observed.run_kubectl("replace", "-f", "-", stdin=json.dumps(make_tenant_manifest(name, **SPEC)))


def is_held(tenants: Tenants, name: str) -> bool:
    tenant = tenants.get(name)
    return tenant is not None and FINALIZER in tenant["metadata"].get("finalizers", [])


def is_ready(tenants: Tenants, name: str) -> bool:
    tenant = tenants.get(name)
    return (
        tenant is not None
        and "status" in tenant
        and is_held(tenants, name)
        and get_conditions(tenant).get("Ready") == ("True", "AsDeclared")
    )


@pytest.fixture(scope="module")
async def keycloak(platform: Platform) -> AsyncIterator[Proxy]:
    """Proxy between the operator and Keycloak."""
    async with Proxy(platform.context.ports["keycloak"]) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def operator_program(platform: Platform, keycloak: Proxy) -> AsyncIterator[asyncio.subprocess.Process]:
    url = f"http://127.0.0.1:{keycloak.port}"
    async with run_operator(platform, "tenant_operator", OPERATOR_KEYCLOAK_URL=url) as process:
        yield process


@pytest.mark.usefixtures("operator_program")
async def test_a_removed_finalizer_is_added_again_before_the_deletion(
    harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("replaced", **SPEC)
    await wait_until(lambda: is_ready(tenants, "replaced"), seconds=60)
    for _ in range(3):
        replace(observed, "replaced")
        await wait_until(lambda: is_held(tenants, "replaced"), seconds=2)
    assert observed.find_data("replaced")
    tenants.delete("replaced")
    await wait_until(lambda: tenants.get("replaced") is None, seconds=20)
    assert observed.find_data("replaced") == {}


@pytest.mark.parametrize("cascade", ["background", "foreground"])
async def test_a_tenant_deleted_without_its_finalizer_leaves_nothing(
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    operator_program: asyncio.subprocess.Process,
    cascade: str,
) -> None:
    harness.apply("replaced", **SPEC)
    await wait_until(lambda: is_ready(tenants, "replaced"), seconds=60)
    operator_program.send_signal(signal.SIGSTOP)
    try:
        replace(observed, "replaced")
        observed.run_kubectl("delete", "tenant", "replaced", "--wait=false", f"--cascade={cascade}")
        await wait_until(lambda: tenants.get("replaced") is None, seconds=20)
        assert observed.find_data("replaced")
    finally:
        operator_program.send_signal(signal.SIGCONT)
    await wait_until(lambda: observed.find_data("replaced") == {}, seconds=20, every=0.5)


@pytest.mark.usefixtures("operator_program")
async def test_a_finalizer_removed_from_a_waiting_deletion_leaves_nothing(
    keycloak: Proxy, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("stuck", **SPEC)
    await wait_until(lambda: is_ready(tenants, "stuck"), seconds=60)
    keycloak.cut()
    try:
        tenants.delete("stuck")
        await wait_until(lambda: is_waiting_for_identity(tenants, "stuck"), seconds=60)
        tenants.patch("stuck", {"metadata": {"finalizers": None}})
        await wait_until(lambda: tenants.get("stuck") is None, seconds=20)
    finally:
        keycloak.restore()
    await wait_until(lambda: observed.find_data("stuck") == {}, seconds=60, every=0.5)


def is_waiting_for_identity(tenants: Tenants, name: str) -> bool:
    tenant = tenants.get(name)
    return tenant is not None and get_conditions(tenant).get("IdentityReady", ("", ""))[0] == "False"
