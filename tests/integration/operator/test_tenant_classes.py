"""Tests of two operators of two classes in one cluster: each Tenant has exactly one operator."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.programs.operator_program import run_operator
from tests.support.timing.waiting import wait_until

from .conftest import OperatorHarness, get_conditions

CLASSES = ("default", "staging")
BOTH = {"class-none", "class-staging"}
SHARED = {"emails": ["*@both-classes.example"]}
"""Identity that a Tenant of each class claims. Within one class it would be a conflict."""


@dataclass(frozen=True)
class RunningOperators:
    """Log files of the running operators, by class."""

    logs: dict[str, Path]

    def count_records(self, tenant_class: str) -> Counter[str]:
        """Return the number of records about each Tenant in an operator's log."""
        lines = self.logs[tenant_class].read_text().splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{")]
        return Counter(record["tenant"] for record in records if "tenant" in record)


@pytest.fixture(scope="module")
async def operators(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningOperators]:
    folder = tmp_path_factory.mktemp("operators")
    logs = {name: folder / f"{name}.log" for name in CLASSES}
    async with (
        run_operator(platform, "tenant_operator", log=str(logs["default"])),
        run_operator(platform, "tenant_operator", log=str(logs["staging"]), OPERATOR_TENANT_CLASS="staging"),
    ):
        yield RunningOperators(logs)


async def test_each_tenant_is_reconciled_and_deleted_by_the_operator_of_its_class(
    operators: RunningOperators, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    assert harness.apply("class-none", identity=SHARED)["spec"]["tenantClass"] == "default"
    harness.apply("class-staging", identity=SHARED, tenantClass="staging")
    await _wait_until_ready(tenants, "class-none", "class-staging")
    for name in ("class-none", "class-staging"):
        assert get_conditions(tenants.get(name))["Stalled"][0] == "False", "other classes cause no conflict"
        tenants.patch(name, {"spec": {"personas": [{"id": "legal"}]}})
    await wait_until(lambda: all(_has_persona(observed, name) for name in ("class-none", "class-staging")))
    for name in ("class-none", "class-staging"):
        tenants.delete(name)
    await wait_until(lambda: not (tenants.get("class-none") or tenants.get("class-staging")), seconds=30)
    assert observed.find_data("class-none") == {}
    assert observed.find_data("class-staging") == {}
    # Other tests of this process have Tenants of the default class.
    assert operators.count_records("default").keys() & BOTH == {"class-none"}
    assert operators.count_records("staging").keys() == {"class-staging"}


@pytest.mark.usefixtures("operators")
async def test_a_tenant_of_a_class_without_an_operator_waits(
    platform: Platform, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    """Nothing is created, not even a finalizer, until an operator of the class starts."""
    harness.apply("class-prod", tenantClass="prod")
    harness.apply("class-marker")
    await _wait_until_ready(tenants, "class-marker")
    await asyncio.sleep(1)
    waiting = tenants.get("class-prod") or {}
    assert waiting
    assert "status" not in waiting
    assert "finalizers" not in waiting["metadata"]
    assert observed.find_data("class-prod") == {}
    async with run_operator(platform, "tenant_operator", OPERATOR_TENANT_CLASS="prod"):
        await _wait_until_ready(tenants, "class-prod")
        tenants.delete("class-prod")
        await wait_until(lambda: tenants.get("class-prod") is None, seconds=30)
    tenants.delete("class-marker")
    await wait_until(lambda: tenants.get("class-marker") is None, seconds=30)


def _has_persona(observed: Observed, name: str) -> bool:
    return f"tenant-{name}/legal/documents/" in observed.get_state(name)["storage"]


async def _wait_until_ready(tenants: Tenants, *names: str) -> None:
    def are_ready() -> bool:
        found: list[Any] = [tenants.get(name) for name in names]
        return all(
            "conditions" in (tenant or {}).get("status", {}) and get_conditions(tenant)["Ready"][0] == "True"
            for tenant in found
        )

    await wait_until(are_ready, seconds=90)  # two operators start
