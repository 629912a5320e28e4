"""Tests of a Tenant that is deleted and recreated while the operator does not read its watch."""

import asyncio
import signal

import pytest

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.tenants.manifests import make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .conftest import OperatorHarness, get_conditions

NAME = "reborn"


def is_ready(tenants: Tenants, uid: str) -> bool:
    tenant = tenants.get(NAME)
    return (
        tenant is not None
        and tenant["metadata"]["uid"] == uid
        and "status" in tenant
        and get_conditions(tenant).get("Ready") == ("True", "AsDeclared")
    )


@pytest.mark.parametrize("changes", [0, 5])
async def test_a_recreated_tenant_is_ready_with_pending_events_of_its_predecessor(
    operator_program: asyncio.subprocess.Process,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    changes: int,
) -> None:
    first = harness.apply(NAME)
    await wait_until(lambda: is_ready(tenants, first["metadata"]["uid"]), seconds=60)
    operator_program.send_signal(signal.SIGSTOP)
    try:
        for number in range(changes):
            tenants.patch(NAME, {"metadata": {"annotations": {"example/change": str(number)}}})
        tenants.patch(NAME, {"metadata": {"finalizers": None}})
        tenants.delete(NAME)
        second = tenants.create(make_tenant_manifest(NAME, deletionPolicy="Delete"))
    finally:
        operator_program.send_signal(signal.SIGCONT)
    await wait_until(lambda: is_ready(tenants, second["metadata"]["uid"]), seconds=20)
    assert {tags["tenant-uid"] for tags in observed.get_markers(NAME).values()} == {second["metadata"]["uid"]}
