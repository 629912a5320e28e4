"""Tests of `kill -9` of the operator's program during a reconcile: the next run completes the work."""

from collections.abc import AsyncIterator

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.programs.operator_program import KilledOperators, run_killed_operators

from .conftest import Driver, OperatorHarness

SPEC = {"identity": {"emails": ["*@mortal.example"], "admins": ["boss@mortal.example"]}}


@pytest.fixture(scope="module")
async def killed_operators(platform: Platform) -> AsyncIterator[KilledOperators]:
    async with run_killed_operators(platform) as operators:
        yield operators


SAMPLES = (1, 8, 13)
"""Calls of a creation at which the program is killed; test_kill_creation.py tests every call."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", SAMPLES)
async def test_after_a_kill_during_a_creation_the_next_run_completes_it(
    number: int,
    when: str,
    killed_operators: KilledOperators,
    driver: Driver,
    harness: OperatorHarness,
    observed: Observed,
) -> None:
    observed.add_person("boss@mortal.example")
    harness.apply("mortal", **SPEC)
    await killed_operators.run(number, when)
    assert (await driver.reconcile("mortal")).name == "ready"
    first = observed.get_state("mortal")
    await driver.reconcile("mortal")
    assert observed.get_state("mortal") == first
    assert first["identity"]["members"] == ["boss@mortal.example"]
    assert first["identity"]["copies"] == 1


async def test_after_a_kill_during_a_removal_the_next_run_completes_it(
    killed_operators: KilledOperators,
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
) -> None:
    harness.apply("mortal", **SPEC)
    await driver.reconcile("mortal")
    tenants.delete("mortal")
    await killed_operators.run(4, "after")
    await harness.delete_all()
    assert observed.find_data("mortal") == {}
