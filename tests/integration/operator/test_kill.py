"""Death between any two external calls: the next run reaches the same end, with no orphan and no copy.

The process is not killed here but stops calling: from the n-th call on, every call dies. What was under
way in other parts still arrives, as it does when a process is killed. test_program.py does it with kill -9.
"""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from servicekit.remote import Remote

from tests.support.apiserver import Tenants
from tests.support.world import World

from .conftest import Driver, Stage

SPEC = {
    "identity": {"emails": ["*@undead.example"], "admins": ["boss@undead.example"]},
    "personas": [{"id": "finance"}, {"id": "people"}],
}


class Killed(BaseException):
    """The process is dead."""


async def killed_after(last: int, driver: Driver, name: str, *, system: str = "") -> bool:
    """Reconcile, and die when ``last`` calls were made. False: it ended without needing more of them."""
    return await killed_when(lambda made, _: made >= last, driver, name, system=system)


async def killed_when(
    dies: Callable[[int, str], bool], driver: Driver, name: str, *, system: str = ""
) -> bool:
    """Reconcile, and die as soon as ``dies`` says so of the number of calls made and the next operation.

    With ``system`` only calls of that system are counted, and only before one of them it dies.
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


def made_for_undead(world: World) -> dict[str, Any]:
    """Return all that was made, without the uid, which is another one for each Tenant of the name."""
    made = world.look("undead")
    made["identity"].get("attributes", {}).pop("tenant-uid", None)
    return made


async def test_killed_after_any_call_of_a_creation_the_next_run_makes_the_same(
    driver: Driver, stage: Stage, world: World
) -> None:
    world.add_person("boss@undead.example")
    stage.apply("undead", **SPEC)
    await driver.reconcile("undead")
    undisturbed = made_for_undead(world)
    await stage.clear()
    for last in count():
        stage.apply("undead", **SPEC)
        if not await killed_after(last, driver, "undead"):
            break
        assert (await driver.reconcile("undead")).name == "ready", f"after {last} calls"
        assert made_for_undead(world) == undisturbed, f"after {last} calls"
        await stage.clear()
        assert world.left("undead") == {}, f"after {last} calls"
    assert last >= 12, "it died too seldom for what a creation needs"


async def test_killed_after_any_call_of_a_removal_the_next_run_leaves_nothing(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    for last in count():
        stage.apply("undead", **SPEC)
        await driver.reconcile("undead")
        tenants.delete("undead")
        if not await killed_after(last, driver, "undead"):
            break
        await stage.clear()
        assert world.left("undead") == {}, f"after {last} calls"
    assert last >= 6, "it died too seldom for what a removal needs"


async def test_what_was_made_before_a_kill_goes_when_it_is_no_longer_declared(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    stage.apply("undead", quota={"compute": {"pods": "1"}})
    assert await killed_when(lambda _, operation: operation == "write-status", driver, "undead")
    assert made_for_undead(world)["namespace"]
    tenants.patch("undead", {"spec": {"quota": {"compute": None}}})
    await driver.settle("undead")
    assert made_for_undead(world)["namespace"] == {}
