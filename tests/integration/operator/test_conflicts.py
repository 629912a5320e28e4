"""Tests of two Tenants that claim the same addresses."""

import asyncio

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed

from .conftest import Driver, OperatorHarness, get_conditions


async def test_the_younger_tenant_is_stalled_until_the_older_tenant_changes(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    observed.add_person("ann@claim.example")
    harness.apply("elder", identity={"emails": ["*@claim.example"]})
    await driver.reconcile("elder")
    await asyncio.sleep(1)  # creation times have a resolution of one second
    harness.apply("younger", identity={"admins": ["ann@claim.example"]})
    assert (await driver.reconcile("younger")).name == "stalled"
    assert get_conditions(tenants.get("younger")) == {
        "Ready": ("False", "EmailConflict"),
        "Reconciling": ("False", "UpToDate"),
        "Stalled": ("True", "EmailConflict"),
    }
    assert observed.find_data("younger") == {}
    assert get_conditions(tenants.get("elder"))["Ready"] == ("True", "AsDeclared")
    tenants.patch("elder", {"spec": {"identity": {"emails": ["*@else.example"]}}})
    await driver.reconcile("elder")
    assert (await driver.reconcile("younger")).name == "ready"
    assert observed.get_state("younger")["identity"]["members"] == ["ann@claim.example"]
    assert observed.get_state("elder")["identity"]["members"] == []


async def test_a_ready_tenant_with_a_new_conflict_keeps_its_state(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("first", identity={"emails": ["*@first.example"]})
    await driver.reconcile("first")
    await asyncio.sleep(1)
    harness.apply("second", identity={"emails": ["*@second.example"]})
    await driver.reconcile("second")
    before = observed.get_state("second")
    tenants.patch("second", {"spec": {"identity": {"emails": ["*@first.example"]}}})
    assert (await driver.reconcile("second")).name == "stalled"
    assert observed.get_state("second") == before
    assert get_conditions(tenants.get("second"))["StorageReady"] == ("True", "AsDeclared")
