"""Two Tenants that claim the same addresses: the younger waits, and heals by itself."""

import asyncio

from tests.support.apiserver import Tenants
from tests.support.world import World

from .conftest import Driver, Stage, conditions


async def test_the_younger_is_stalled_untouched_and_heals_when_the_older_changes(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    world.add_person("ann@claim.example")
    stage.apply("elder", identity={"emails": ["*@claim.example"]})
    await driver.reconcile("elder")
    await asyncio.sleep(1)  # age has a resolution of one second
    stage.apply("younger", identity={"admins": ["ann@claim.example"]})
    assert (await driver.reconcile("younger")).name == "stalled"
    assert conditions(tenants.get("younger")) == {
        "Ready": ("False", "EmailConflict"),
        "Reconciling": ("False", "UpToDate"),
        "Stalled": ("True", "EmailConflict"),
    }
    assert world.left("younger") == {}
    assert conditions(tenants.get("elder"))["Ready"] == ("True", "AsDeclared")
    tenants.patch("elder", {"spec": {"identity": {"emails": ["*@else.example"]}}})
    await driver.reconcile("elder")
    assert (await driver.reconcile("younger")).name == "ready"
    assert world.look("younger")["identity"]["members"] == ["ann@claim.example"]
    assert world.look("elder")["identity"]["members"] == []


async def test_a_ready_tenant_edited_into_a_conflict_keeps_what_it_has(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("first", identity={"emails": ["*@first.example"]})
    await driver.reconcile("first")
    await asyncio.sleep(1)
    stage.apply("second", identity={"emails": ["*@second.example"]})
    await driver.reconcile("second")
    before = world.look("second")
    tenants.patch("second", {"spec": {"identity": {"emails": ["*@first.example"]}}})
    assert (await driver.reconcile("second")).name == "stalled"
    assert world.look("second") == before
    assert conditions(tenants.get("second"))["StorageReady"] == ("True", "AsDeclared")
