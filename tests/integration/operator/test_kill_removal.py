"""Tests of a crash between any two external calls of a removal: the next run completes the removal.

The crash is simulated as in test_kill_creation.py.
"""

from itertools import count

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed

from .conftest import Driver, OperatorHarness, crash_reconcile_after

SPEC = {
    "identity": {"emails": ["*@undead.example"], "admins": ["boss@undead.example"]},
    "personas": [{"id": "finance"}, {"id": "people"}],
}


async def test_after_a_crash_at_any_call_of_a_removal_the_next_run_completes_it(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    for last in count():
        harness.apply("undead", **SPEC)
        await driver.reconcile("undead")
        tenants.delete("undead")
        if not await crash_reconcile_after(last, driver, "undead"):
            break
        await harness.delete_all()
        assert observed.find_data("undead") == {}, f"after {last} calls"
    assert last >= 6, "a removal needs more calls"
