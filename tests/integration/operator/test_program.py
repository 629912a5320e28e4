"""Tests of the operator as a program: kopf's watch, its probes, and `kill -9` during a reconcile."""

import asyncio

import httpx
import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.programs.operator_program import run_operator
from tests.support.timing.waiting import until

from .conftest import Driver, OperatorHarness, get_conditions

SPEC = {"identity": {"emails": ["*@mortal.example"], "admins": ["boss@mortal.example"]}}


async def test_the_program_creates_changes_and_deletes_a_tenant(
    platform: Platform, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    port, metrics = platform.context.ports["operator"], platform.context.ports["operator-metrics"]
    ports = {"OPERATOR_PROBES_PORT": str(port), "OPERATOR_METRICS_PORT": str(metrics)}
    async with run_operator(platform, "tenant_operator", **ports):
        await until(lambda: _is_healthy(f"http://127.0.0.1:{port}/readyz"), seconds=20)
        applied = harness.apply("watched", identity={"emails": ["*@watched.example"]})
        await until(lambda: _is_ready(tenants, "watched"))
        about = f"involvedObject.uid={applied['metadata']['uid']}"

        def list_events() -> list[str]:
            return observed.kubectl("get", "events", "--field-selector", about, "-o", "name").split()

        await until(lambda: len(list_events()) == 1)  # recorded after the status is written
        tenants.patch("watched", {"spec": {"personas": [{"id": "legal"}]}})
        await until(lambda: "tenant-watched/legal/documents/" in observed.get_state("watched")["storage"])
        tenants.delete("watched")
        await until(lambda: tenants.get("watched") is None)
        assert observed.find_data("watched") == {}
        assert _is_healthy(f"http://127.0.0.1:{port}/healthz")
        assert 'tenantry_operator_reconciles_total{outcome="ready"}' in _get(
            f"http://127.0.0.1:{metrics}/metrics"
        )
        assert not _is_healthy(f"http://127.0.0.1:{port}/metrics")


async def test_a_younger_tenant_recovers_when_the_older_one_is_deleted(
    platform: Platform, harness: OperatorHarness, tenants: Tenants
) -> None:
    async with run_operator(platform, "tenant_operator"):
        harness.apply("elder", identity={"emails": ["*@heir.example"]})
        await until(lambda: _is_ready(tenants, "elder"), seconds=20)
        await asyncio.sleep(1)
        harness.apply("heir", identity={"emails": ["*@heir.example"]})
        await until(lambda: _get_condition(tenants, "heir", "Stalled") == ("True", "EmailConflict"))
        tenants.delete("elder")
        await until(lambda: _is_ready(tenants, "heir"))


SAMPLES = (1, 8, 13)
"""Calls of a creation before or after which the real program is killed; test_kill.py tests every call."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", SAMPLES)
async def test_after_a_kill_during_a_creation_the_next_run_completes_it(
    number: int, when: str, platform: Platform, driver: Driver, harness: OperatorHarness, observed: Observed
) -> None:
    observed.add_person("boss@mortal.example")
    harness.apply("mortal", **SPEC)
    await kill_operator_at(platform, number, when)
    assert (await driver.reconcile("mortal")).name == "ready"
    first = observed.get_state("mortal")
    await driver.reconcile("mortal")
    assert observed.get_state("mortal") == first
    assert first["identity"]["members"] == ["boss@mortal.example"]
    assert first["identity"]["copies"] == 1


async def test_after_a_kill_during_a_removal_the_next_run_completes_it(
    platform: Platform, driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("mortal", **SPEC)
    await driver.reconcile("mortal")
    tenants.delete("mortal")
    await kill_operator_at(platform, 4, "after")
    await harness.delete_all()
    assert observed.find_data("mortal") == {}


async def kill_operator_at(platform: Platform, number: int, when: str, **settings: str) -> None:
    """Run the operator until it kills itself."""
    async with run_operator(
        platform, "tests.support.faults.killed_operator", str(number), when, **settings
    ) as process:
        async with asyncio.timeout(60):
            assert await process.wait() == -9, f"it exited before call {number}"


def _is_ready(tenants: Tenants, name: str) -> bool:
    return _get_condition(tenants, name, "Ready") == ("True", "AsDeclared")


def _get_condition(tenants: Tenants, name: str, type_: str) -> tuple[str, str] | None:
    tenant = tenants.get(name)
    return get_conditions(tenant).get(type_) if tenant and "status" in tenant else None


def _get(url: str) -> str:
    return httpx.get(url).text


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
