"""Tests of drift: the next reconcile repairs manual changes in external systems."""

from collections.abc import Callable
from typing import Any

import pytest
from tenantry_local.parts.aws import BUCKET

from tests.support.backends.observed import Observed

from .conftest import Driver, OperatorHarness

SPEC: dict[str, Any] = {"identity": {"emails": ["*@drift.example"], "admins": ["boss@drift.example"]}}
COMPUTE = {"quota": {"compute": {"pods": "10"}}}
MARKER = "tenant-drift/finance/documents/"
GROUP = "/tenants/tenant-drift"


def _get_group_id(observed: Observed) -> str:
    return str(observed.get_group(GROUP)["id"])


def _delete_group(observed: Observed) -> None:
    observed.call_keycloak("DELETE", f"/groups/{_get_group_id(observed)}").raise_for_status()


def _rename_group(observed: Observed) -> None:
    observed.call_keycloak(
        "PUT", f"/groups/{_get_group_id(observed)}", json={"name": "renamed"}
    ).raise_for_status()


def _move_group(observed: Observed) -> None:
    body = {"id": _get_group_id(observed), "name": "tenant-drift"}
    observed.call_keycloak("POST", "/groups", json=body).raise_for_status()
    assert not observed.get_group("/tenants/tenant-drift")


def _change_attributes(observed: Observed) -> None:
    body = {"name": "tenant-drift", "attributes": {"tenant": ["another"]}}
    observed.call_keycloak("PUT", f"/groups/{_get_group_id(observed)}", json=body).raise_for_status()


def _add_foreign_member(observed: Observed) -> None:
    user_id = observed.add_person("mallory@evil.example")
    observed.call_keycloak("PUT", f"/users/{user_id}/groups/{_get_group_id(observed)}").raise_for_status()


def _add_foreign_admin(observed: Observed) -> None:
    user_id = observed.add_person("mallory@evil.example")
    admins = observed.get_group(f"{GROUP}/admins")["id"]
    observed.call_keycloak("PUT", f"/users/{user_id}/groups/{admins}").raise_for_status()


def _remove_member(observed: Observed) -> None:
    (boss,) = observed.call_keycloak("GET", "/users", params={"email": "boss@drift.example"}).json()
    observed.call_keycloak(
        "DELETE", f"/users/{boss['id']}/groups/{_get_group_id(observed)}"
    ).raise_for_status()


DRIFTS: dict[str, Callable[[Observed], object]] = {
    "marker-deleted": lambda observed: observed.s3.delete_object(Bucket=BUCKET, Key=MARKER),
    "tags-changed": lambda observed: observed.s3.put_object_tagging(
        Bucket=BUCKET, Key=MARKER, Tagging={"TagSet": [{"Key": "tenant", "Value": "tenant-evil"}]}
    ),
    "index-dropped": lambda observed: observed.drop_index("digital_twin_knowledge", "documentId"),
    "group-deleted": _delete_group,
    "group-renamed": _rename_group,
    "group-moved": _move_group,
    "attributes-changed": _change_attributes,
    "foreign-member-added": _add_foreign_member,
    "foreign-administrator-added": _add_foreign_admin,
    "member-removed": _remove_member,
}  # fmt: skip

NAMESPACE_DRIFTS: dict[str, Callable[[Observed], object]] = {
    "quota-object-deleted": lambda observed: observed.run_kubectl(
        "delete", "resourcequota", "tenant", "-n", "tenant-drift"
    ),
    "network-policy-opened": lambda observed: observed.run_kubectl(
        "patch", "networkpolicy", "default-deny", "-n", "tenant-drift", "--type=merge",
        "-p", '{"spec":{"policyTypes":["Ingress"]}}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
async def test_drift_is_repaired(
    drift: Callable[[Observed], object], driver: Driver, harness: OperatorHarness, observed: Observed
) -> None:
    await check(drift, SPEC, driver, harness, observed)


@pytest.mark.parametrize("drift", NAMESPACE_DRIFTS.values(), ids=NAMESPACE_DRIFTS)
async def test_drift_in_a_tenants_namespace_is_repaired(
    drift: Callable[[Observed], object], driver: Driver, harness: OperatorHarness, observed: Observed
) -> None:
    await check(drift, SPEC | COMPUTE, driver, harness, observed)


async def check(
    drift: Callable[[Observed], object],
    spec: dict[str, Any],
    driver: Driver,
    harness: OperatorHarness,
    observed: Observed,
) -> None:
    """Create a Tenant, change its external state, and check that one reconcile restores it."""
    observed.add_person("boss@drift.example")
    harness.apply("drift", **spec)
    await driver.reconcile("drift")
    as_declared = observed.get_state("drift")
    drift(observed)
    assert observed.get_state("drift") != as_declared
    assert (await driver.reconcile("drift")).name == "ready"
    assert observed.get_state("drift") == as_declared
