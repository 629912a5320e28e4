"""Death between any two external calls: the next run reaches the same end, with no orphan and no copy.

The process is not killed here but stops calling: from the n-th call on, every call dies. What was under
way in other parts still arrives, as it does when a process is killed. test_program.py does it with kill -9.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tenancy.remote import Remote

from tests.support.apiserver import Tenants
from tests.support.world import World

from .conftest import Driver, Stage

SPEC = {
    "identity": {"emails": ["*@undead.example"], "admins": ["boss@undead.example"]},
    "personas": [{"id": "finance"}, {"id": "people"}],
}


class Killed(BaseException):
    """The process is dead."""


class Calls:
    """Counts external calls; the one after ``last`` is never made, nor any after it."""

    def __init__(self, last: int | None) -> None:
        self.made = 0
        self._last = last

    def step(self) -> None:
        if self._last is not None and self.made >= self._last:
            raise Killed
        self.made += 1


@contextmanager
def counted(last: int | None = None) -> Iterator[Calls]:
    calls = Calls(last)
    call_as_before = Remote.call

    async def call(self: Remote, operation: str, function: Callable[[], Awaitable[Any]]) -> Any:
        calls.step()
        return await call_as_before(self, operation, function)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "call", call)
        yield calls


async def test_killed_after_any_call_of_a_creation_the_next_run_makes_the_same(
    driver: Driver, stage: Stage, world: World
) -> None:
    world.add_person("boss@undead.example")
    stage.apply("undead", **SPEC)
    with counted() as calls:
        await driver.reconcile("undead")
    undisturbed = world.look("undead")
    await stage.clear()
    assert calls.made >= 15
    for last in range(calls.made):
        stage.apply("undead", **SPEC)
        with counted(last), pytest.raises(Killed):
            await driver.reconcile("undead")
        assert (await driver.reconcile("undead")).name == "ready", f"after {last} calls"
        assert world.look("undead") == undisturbed, f"after {last} calls"
        await stage.clear()
        assert world.left("undead") == {}, f"after {last} calls"


async def test_killed_after_any_call_of_a_removal_the_next_run_leaves_nothing(
    driver: Driver, stage: Stage, tenants: Tenants, world: World
) -> None:
    async def make_and_delete() -> None:
        stage.apply("undead", **SPEC)
        await driver.reconcile("undead")
        tenants.delete("undead")

    await make_and_delete()
    with counted() as calls:
        await driver.reconcile("undead")
    assert calls.made >= 6
    for last in range(calls.made):
        await make_and_delete()
        with counted(last), pytest.raises(Killed):
            await driver.reconcile("undead")
        await stage.clear()
        assert world.left("undead") == {}, f"after {last} calls"
