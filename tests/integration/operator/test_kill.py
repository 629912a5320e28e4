"""Tests of a crash between any two external calls: the next run completes the work, without copies.

The process is not killed: from the n-th call on, every call raises. Running calls of other parts still
finish, as they do when a process is killed. test_program.py uses kill -9.
"""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from servicekit.remote import Remote

from tests.support.programs.apiserver import Tenants
from tests.support.programs.observed import Observed

from .conftest import Driver, Harness

SPEC = {
    "identity": {"emails": ["*@undead.example"], "admins": ["boss@undead.example"]},
    "personas": [{"id": "finance"}, {"id": "people"}],
}


class Killed(BaseException):
    """Simulated crash of the process."""


async def killed_after(last: int, driver: Driver, name: str, *, system: str = "") -> bool:
    """Reconcile, and crash after ``last`` calls; return False when the reconcile needed no more calls."""
    return await killed_when(lambda made, _: made >= last, driver, name, system=system)


async def killed_when(
    dies: Callable[[int, str], bool], driver: Driver, name: str, *, system: str = ""
) -> bool:
    """Reconcile, and crash when ``dies`` is True for the number of calls and the next operation.

    With ``system`` only calls of that system count.
    """
    made = 0
    dead = False
    call_as_before = Remote.call

    async def call(self: Remote, operation: str, function: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal made, dead
        counts = system in ("", self.system)
        dead = dead or (counts and dies(made, operation))
        if dead:
            raise Killed
        made += counts
        return await call_as_before(self, operation, function)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "call", call)
        try:
            await driver.reconcile(name)
        except Killed:
            return True
    return False


def made_for_undead(observed: Observed) -> dict[str, Any]:
    """Return the external state without the uid, which differs between Tenants of the name."""
    made = observed.get_state("undead")
    made["identity"].get("attributes", {}).pop("tenant-uid", None)
    return made


async def test_after_a_crash_at_any_call_of_a_creation_the_next_run_completes_it(
    driver: Driver, harness: Harness, observed: Observed
) -> None:
    observed.add_person("boss@undead.example")
    harness.apply("undead", **SPEC)
    await driver.reconcile("undead")
    undisturbed = made_for_undead(observed)
    await harness.delete_all()
    for last in count():
        harness.apply("undead", **SPEC)
        if not await killed_after(last, driver, "undead"):
            break
        assert (await driver.reconcile("undead")).name == "ready", f"after {last} calls"
        assert made_for_undead(observed) == undisturbed, f"after {last} calls"
        await harness.delete_all()
        assert observed.find_data("undead") == {}, f"after {last} calls"
    assert last >= 12, "a creation needs more calls"


async def test_after_a_crash_at_any_call_of_a_removal_the_next_run_completes_it(
    driver: Driver, harness: Harness, tenants: Tenants, observed: Observed
) -> None:
    for last in count():
        harness.apply("undead", **SPEC)
        await driver.reconcile("undead")
        tenants.delete("undead")
        if not await killed_after(last, driver, "undead"):
            break
        await harness.delete_all()
        assert observed.find_data("undead") == {}, f"after {last} calls"
    assert last >= 6, "a removal needs more calls"


async def test_an_unrecorded_namespace_is_deleted_when_it_is_no_longer_declared(
    driver: Driver, harness: Harness, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("undead", quota={"compute": {"pods": "1"}})
    assert await killed_when(lambda _, operation: operation == "write-status", driver, "undead")
    assert made_for_undead(observed)["namespace"]
    tenants.patch("undead", {"spec": {"quota": {"compute": None}}})
    await driver.reconcile_until_ready("undead")
    assert made_for_undead(observed)["namespace"] == {}
