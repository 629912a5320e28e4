"""Tests of the operator as a program: kopf's watch, its probes and metrics."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.programs.operator_program import run_operator
from tests.support.timing.waiting import wait_until

from .conftest import OperatorHarness, get_conditions


@dataclass(frozen=True)
class ProgramPorts:
    """Ports of the running operator."""

    probes: int
    metrics: int


@pytest.fixture(scope="module")
async def ports(platform: Platform) -> AsyncIterator[ProgramPorts]:
    """Run the operator for all tests of this module."""
    probes, metrics = platform.context.ports["operator"], platform.context.ports["operator-metrics"]
    env = {"OPERATOR_PROBES_PORT": str(probes), "OPERATOR_METRICS_PORT": str(metrics)}
    async with run_operator(platform, "tenant_operator", **env):
        yield ProgramPorts(probes, metrics)


async def test_the_program_creates_changes_and_deletes_a_tenant(
    ports: ProgramPorts, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    await wait_until(lambda: _is_healthy(f"http://127.0.0.1:{ports.probes}/readyz"), seconds=20)
    applied = harness.apply("watched", identity={"emails": ["*@watched.example"]})
    await wait_until(lambda: _is_ready(tenants, "watched"))
    about = f"involvedObject.uid={applied['metadata']['uid']}"

    def list_events() -> list[str]:
        return observed.run_kubectl("get", "events", "--field-selector", about, "-o", "name").split()

    await wait_until(lambda: len(list_events()) == 1)  # recorded after the status is written
    tenants.patch("watched", {"spec": {"personas": [{"id": "legal"}]}})
    await wait_until(lambda: "tenant-watched/legal/documents/" in observed.get_state("watched")["storage"])
    tenants.delete("watched")
    await wait_until(lambda: tenants.get("watched") is None)
    assert observed.find_data("watched") == {}
    assert _is_healthy(f"http://127.0.0.1:{ports.probes}/healthz")
    assert 'tenantry_operator_reconciles_total{outcome="ready"}' in _get(
        f"http://127.0.0.1:{ports.metrics}/metrics"
    )
    assert not _is_healthy(f"http://127.0.0.1:{ports.probes}/metrics")


@pytest.mark.usefixtures("ports")
async def test_a_younger_tenant_recovers_when_the_older_tenant_is_deleted(
    harness: OperatorHarness, tenants: Tenants
) -> None:
    harness.apply("elder", identity={"emails": ["*@heir.example"]})
    await wait_until(lambda: _is_ready(tenants, "elder"), seconds=20)
    await asyncio.sleep(1)
    harness.apply("heir", identity={"emails": ["*@heir.example"]})
    await wait_until(lambda: _get_condition(tenants, "heir", "Stalled") == ("True", "EmailConflict"))
    tenants.delete("elder")
    await wait_until(lambda: _is_ready(tenants, "heir"))


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
