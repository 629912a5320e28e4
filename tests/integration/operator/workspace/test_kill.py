"""Tests of a crash between any two calls of Open WebUI: the next run completes the work, without duplicates.

Calls of other systems: ../test_kill_creation.py and ../test_kill_removal.py.
"""

from itertools import count
from typing import Any

import pytest
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.faults.crashes import ProcessKilled
from tests.support.open_webui.observed import ObservedOpenWebUI
from tests.support.programs.operator_program import run_killed_operators

from ..conftest import Driver, OperatorHarness, crash_reconcile_after, open_driver
from .conftest import create_person

pytestmark = pytest.mark.programs

SPEC: dict[str, Any] = {"identity": {"emails": ["*@ghost.example"]}}


@pytest.mark.timeout(900)
async def test_after_a_crash_at_any_call_of_a_creation_the_next_run_completes_it(
    driver: Driver, harness: OperatorHarness, observed: Observed, webui: ObservedOpenWebUI
) -> None:
    ann = create_person(observed, webui, "ann@ghost.example")
    harness.apply("ghost", **SPEC)
    await driver.reconcile("ghost")
    undisturbed = webui.get_state("ghost")
    assert len(undisturbed["groups"]) == len(undisturbed["models"]) == len(undisturbed["knowledge"]) == 1
    await harness.delete_all()
    for last in count():
        # The account of an earlier round was deleted with the Tenant.
        webui.add_user("ann@ghost.example", ann)
        harness.apply("ghost", **SPEC)
        if not await crash_reconcile_after(last, driver, "ghost", system="open-webui"):
            break
        assert (await driver.reconcile("ghost")).name == "ready", f"after {last} calls"
        assert webui.get_state("ghost") == undisturbed, f"after {last} calls"
        await harness.delete_all()
        assert not any(webui.get_state("ghost").values()), f"after {last} calls"
    assert last >= 8, "a creation needs more calls"


@pytest.mark.timeout(900)
async def test_after_a_crash_at_any_call_of_a_removal_the_next_run_completes_it(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, webui: ObservedOpenWebUI
) -> None:
    for last in count():
        harness.apply("ghost", **SPEC)
        await driver.reconcile("ghost")
        file_id = webui.add_file(webui.get_base("ghost")["id"])
        tenants.delete("ghost")
        if not await crash_reconcile_after(last, driver, "ghost", system="open-webui"):
            break
        await harness.delete_all()
        assert not any(webui.get_state("ghost").values()), f"after {last} calls"
        assert not webui.has_file(file_id), f"after {last} calls"
    assert last >= 8, "a removal needs more calls"


async def test_an_unrecorded_object_is_deleted_when_it_is_no_longer_declared(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, webui: ObservedOpenWebUI
) -> None:
    harness.apply("ghost", personas=[{"id": "finance"}, {"id": "people"}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver.context.reconciler, "_write_result", _crash)
        with pytest.raises(ProcessKilled):
            await driver.reconcile("ghost")
    assert len(webui.list_models("ghost")) == len(webui.list_bases("ghost")) == 2
    tenants.patch("ghost", {"spec": {"personas": [{"id": "finance"}]}})
    await driver.reconcile("ghost")
    assert [model["id"] for model in webui.list_models("ghost")] == ["tenant-ghost.finance"]
    assert len(webui.list_bases("ghost")) == 1


async def _crash(*_: object) -> None:
    raise ProcessKilled


@pytest.mark.parametrize("number", [22, 28])
async def test_a_kill_of_the_program_during_a_creation_leaves_no_copy(
    number: int,
    platform: Platform,
    settings: dict[str, str],
    tenants: Tenants,
    harness: OperatorHarness,
    webui: ObservedOpenWebUI,
) -> None:
    """The restarted operator has no cached list of groups, unlike the driver of the other tests."""
    harness.apply("ghost", **SPEC)
    env = {f"OPERATOR_{name.upper()}": value for name, value in settings.items()}
    async with run_killed_operators(platform, **env) as killed:
        await killed.run(number, "after")
    async with open_driver(platform, tenants, **settings) as restarted:
        assert (await restarted.reconcile("ghost")).name == "ready"
    seen = webui.get_state("ghost")
    assert len(seen["groups"]) == len(seen["models"]) == len(seen["knowledge"]) == 1
