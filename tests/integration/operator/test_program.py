"""The operator as a program: kopf's watch, its probes, and `kill -9` in the middle of its work."""

import asyncio

import httpx
import pytest
from tenantry_local.platform import Platform

from tests.support.apiserver import Tenants
from tests.support.operator_program import program
from tests.support.waiting import until
from tests.support.world import World

from .conftest import Driver, Stage, conditions

SPEC = {"identity": {"emails": ["*@mortal.example"], "admins": ["boss@mortal.example"]}}


async def test_a_tenant_is_made_ready_changed_and_removed_by_the_program(
    platform: Platform, stage: Stage, tenants: Tenants, world: World
) -> None:
    port, metrics = platform.context.ports["operator"], platform.context.ports["operator-metrics"]
    ports = {"OPERATOR_PROBES_PORT": str(port), "OPERATOR_METRICS_PORT": str(metrics)}
    async with program(platform, "tenant_operator", **ports):
        await until(lambda: _answers(f"http://127.0.0.1:{port}/readyz"), seconds=20)
        applied = stage.apply("watched", identity={"emails": ["*@watched.example"]})
        await until(lambda: _ready(tenants, "watched"))
        about = f"involvedObject.uid={applied['metadata']['uid']}"

        def told() -> list[str]:
            return world.kubectl("get", "events", "--field-selector", about, "-o", "name").split()

        await until(lambda: len(told()) == 1)  # told after the status is written
        tenants.patch("watched", {"spec": {"quota": {"documents": 3}}})
        await until(lambda: world.look("watched")["limits"].get("documents") == "3")
        tenants.delete("watched")
        await until(lambda: tenants.get("watched") is None)
        assert world.left("watched") == {}
        assert _answers(f"http://127.0.0.1:{port}/healthz")
        assert 'tenantry_reconciles_total{outcome="ready"}' in _get(f"http://127.0.0.1:{metrics}/metrics")
        assert not _answers(f"http://127.0.0.1:{port}/metrics")


async def test_a_younger_tenant_heals_when_the_program_sees_the_older_one_go(
    platform: Platform, stage: Stage, tenants: Tenants
) -> None:
    async with program(platform, "tenant_operator"):
        stage.apply("elder", identity={"emails": ["*@heir.example"]})
        await until(lambda: _ready(tenants, "elder"), seconds=20)
        await asyncio.sleep(1)
        stage.apply("heir", identity={"emails": ["*@heir.example"]})
        await until(lambda: _condition(tenants, "heir", "Stalled") == ("True", "EmailConflict"))
        tenants.delete("elder")
        await until(lambda: _ready(tenants, "heir"))


SAMPLES = (1, 8, 13)
"""Calls of a creation before or after which the real program is killed; test_kill.py has all of them."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", SAMPLES)
async def test_killed_in_the_middle_of_a_creation_the_next_run_makes_the_same(
    number: int, when: str, platform: Platform, driver: Driver, stage: Stage, world: World
) -> None:
    world.add_person("boss@mortal.example")
    stage.apply("mortal", **SPEC)
    await die_at(platform, number, when)
    assert (await driver.reconcile("mortal")).name == "ready"
    first = world.look("mortal")
    await driver.reconcile("mortal")
    assert world.look("mortal") == first
    assert first["identity"]["members"] == ["boss@mortal.example"]
    assert first["identity"]["copies"] == 1


async def test_killed_in_the_middle_of_a_removal_the_next_run_leaves_nothing(
    platform: Platform, driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("mortal", **SPEC)
    await driver.reconcile("mortal")
    tenants.delete("mortal")
    await die_at(platform, 4, "after")
    await stage.clear()
    assert world.left("mortal") == {}


async def die_at(platform: Platform, number: int, when: str, **settings: str) -> None:
    """Run the operator until it has killed itself."""
    async with program(platform, "tests.support.dying_operator", str(number), when, **settings) as process:
        async with asyncio.timeout(60):
            assert await process.wait() == -9, f"it ended by itself before call {number}"


def _ready(tenants: Tenants, name: str) -> bool:
    return _condition(tenants, name, "Ready") == ("True", "AsDeclared")


def _condition(tenants: Tenants, name: str, type_: str) -> tuple[str, str] | None:
    tenant = tenants.get(name)
    return conditions(tenant).get(type_) if tenant and "status" in tenant else None


def _get(url: str) -> str:
    return httpx.get(url).text


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
