"""Tests of a crash between any two external calls of a creation.

The next run completes the work, without duplicates. The crash is simulated: from the n-th call on, every call
raises. Running calls of other parts still finish, as after a real kill. test_program_kill.py uses kill -9.
"""

from itertools import count
from typing import Any

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.faults.crashes import crash_when

from .conftest import Driver, OperatorHarness, crash_reconcile_after

SPEC = {
    "identity": {"emails": ["*@undead.example"], "admins": ["boss@undead.example"]},
    "personas": [{"id": "finance"}, {"id": "people"}],
}


def get_state_without_uid(observed: Observed) -> dict[str, Any]:
    """Return the external state without the uid, which differs between two Tenants of one name."""
    made = observed.get_state("undead")
    made["identity"].get("attributes", {}).pop("tenant-uid", None)
    return made


async def test_after_a_crash_at_any_call_of_a_creation_the_next_run_completes_it(
    driver: Driver, harness: OperatorHarness, observed: Observed
) -> None:
    observed.add_person("boss@undead.example")
    harness.apply("undead", **SPEC)
    await driver.reconcile("undead")
    undisturbed = get_state_without_uid(observed)
    await harness.delete_all()
    for last in count():
        harness.apply("undead", **SPEC)
        if not await crash_reconcile_after(last, driver, "undead"):
            break
        assert (await driver.reconcile("undead")).name == "ready", f"after {last} calls"
        assert get_state_without_uid(observed) == undisturbed, f"after {last} calls"
        await harness.delete_all()
        assert observed.find_data("undead") == {}, f"after {last} calls"
    assert last >= 12, "a creation needs more calls"


async def test_an_unrecorded_namespace_is_deleted_when_it_is_no_longer_declared(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("undead", quota={"compute": {"pods": "1"}})
    assert await crash_when(
        lambda _, operation: operation == "write-status", lambda: driver.reconcile("undead")
    )
    assert get_state_without_uid(observed)["namespace"]
    tenants.patch("undead", {"spec": {"quota": {"compute": None}}})
    await driver.reconcile_until_ready("undead")
    assert get_state_without_uid(observed)["namespace"] == {}
