"""What somebody breaks by hand outside is mended by the next reconcile, and only that is written."""

from collections.abc import Callable
from typing import Any

import pytest
from tenantry_local.parts.aws import BUCKET

from tests.support.world import World

from .conftest import Driver, Stage

SPEC: dict[str, Any] = {"identity": {"emails": ["*@drift.example"], "admins": ["boss@drift.example"]}}
COMPUTE = {"quota": {"compute": {"pods": "10"}}}
MARKER = "tenant-drift/finance/documents/"
GROUP = "/tenants/tenant-drift"


def _group_id(world: World) -> str:
    return str(world.group(GROUP)["id"])


def _rename_group(world: World) -> None:
    world.keycloak("PUT", f"/groups/{_group_id(world)}", json={"name": "renamed"}).raise_for_status()


def _move_group(world: World) -> None:
    body = {"id": _group_id(world), "name": "tenant-drift"}
    world.keycloak("POST", "/groups", json=body).raise_for_status()
    assert not world.group("/tenants/tenant-drift")


def _change_attributes(world: World) -> None:
    body = {"name": "tenant-drift", "attributes": {"tenant": ["another"]}}
    world.keycloak("PUT", f"/groups/{_group_id(world)}", json=body).raise_for_status()


def _add_foreign_member(world: World) -> None:
    stranger = world.add_person("mallory@evil.example")
    world.keycloak("PUT", f"/users/{stranger}/groups/{_group_id(world)}").raise_for_status()


def _add_foreign_admin(world: World) -> None:
    stranger = world.add_person("mallory@evil.example")
    admins = world.group(f"{GROUP}/admins")["id"]
    world.keycloak("PUT", f"/users/{stranger}/groups/{admins}").raise_for_status()


def _remove_member(world: World) -> None:
    (boss,) = world.keycloak("GET", "/users", params={"email": "boss@drift.example"}).json()
    world.keycloak("DELETE", f"/users/{boss['id']}/groups/{_group_id(world)}").raise_for_status()


DRIFTS: dict[str, Callable[[World], object]] = {
    "marker-deleted": lambda world: world.s3.delete_object(Bucket=BUCKET, Key=MARKER),
    "tags-changed": lambda world: world.s3.put_object_tagging(
        Bucket=BUCKET, Key=MARKER, Tagging={"TagSet": [{"Key": "tenant", "Value": "tenant-evil"}]}
    ),
    "index-dropped": lambda world: world.drop_index("digital_twin_knowledge", "documentId"),
    "group-deleted": lambda world: world.keycloak("DELETE", f"/groups/{_group_id(world)}").raise_for_status(),
    "group-renamed": _rename_group,
    "group-moved": _move_group,
    "attributes-changed": _change_attributes,
    "foreign-member-added": _add_foreign_member,
    "foreign-administrator-added": _add_foreign_admin,
    "member-removed": _remove_member,
    "limits-deleted": lambda world: world.redis.delete(*world.limits_keys("drift")),
    "limits-raised": lambda world: world.redis.hset(world.limits_keys("drift")[0], "documents", "99999999"),
}  # fmt: skip

NAMESPACE_DRIFTS: dict[str, Callable[[World], object]] = {
    "quota-object-deleted": lambda world: world.kubectl(
        "delete", "resourcequota", "tenant", "-n", "tenant-drift"
    ),
    "network-policy-opened": lambda world: world.kubectl(
        "patch", "networkpolicy", "default-deny", "-n", "tenant-drift", "--type=merge",
        "-p", '{"spec":{"policyTypes":["Ingress"]}}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
async def test_drift_is_mended(
    drift: Callable[[World], object], driver: Driver, stage: Stage, world: World
) -> None:
    await check(drift, SPEC, driver, stage, world)


@pytest.mark.parametrize("drift", NAMESPACE_DRIFTS.values(), ids=NAMESPACE_DRIFTS)
async def test_drift_in_a_tenants_namespace_is_mended(
    drift: Callable[[World], object], driver: Driver, stage: Stage, world: World
) -> None:
    await check(drift, SPEC | COMPUTE, driver, stage, world)


async def check(
    drift: Callable[[World], object], spec: dict[str, Any], driver: Driver, stage: Stage, world: World
) -> None:
    """Make a Tenant, break it, and expect one reconcile to bring it back to what it was."""
    world.add_person("boss@drift.example")
    stage.apply("drift", **spec)
    await driver.reconcile("drift")
    as_declared = world.look("drift")
    drift(world)
    assert world.look("drift") != as_declared
    assert (await driver.reconcile("drift")).name == "ready"
    assert world.look("drift") == as_declared
