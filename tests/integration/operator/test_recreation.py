"""A Tenant deleted and made again under its name while the running operator is too busy to read its watch."""

import signal

import pytest
from tenantry_local.platform import Platform

from tests.support.apiserver import Tenants
from tests.support.operator_program import program
from tests.support.tenants import tenant_manifest
from tests.support.waiting import until
from tests.support.world import World

from .conftest import Stage, conditions

NAME = "reborn"


def is_ready(tenants: Tenants, uid: str) -> bool:
    tenant = tenants.get(NAME)
    return (
        tenant is not None
        and tenant["metadata"]["uid"] == uid
        and "status" in tenant
        and conditions(tenant).get("Ready") == ("True", "AsDeclared")
    )


@pytest.mark.parametrize("changes", [0, 5])
async def test_a_tenant_made_again_is_ready_however_many_events_of_its_predecessor_wait(
    platform: Platform, stage: Stage, tenants: Tenants, world: World, changes: int
) -> None:
    async with program(platform, "tenant_operator") as running:
        first = stage.apply(NAME)
        await until(lambda: is_ready(tenants, first["metadata"]["uid"]), seconds=60)
        running.send_signal(signal.SIGSTOP)
        try:
            for number in range(changes):
                tenants.patch(NAME, {"metadata": {"annotations": {"example/change": str(number)}}})
            tenants.patch(NAME, {"metadata": {"finalizers": None}})
            tenants.delete(NAME)
            second = tenants.create(tenant_manifest(NAME, deletionPolicy="Delete"))
        finally:
            running.send_signal(signal.SIGCONT)
        await until(lambda: is_ready(tenants, second["metadata"]["uid"]), seconds=20)
        assert {tags["tenant-uid"] for tags in world.markers(NAME).values()} == {second["metadata"]["uid"]}
