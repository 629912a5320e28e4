"""Readiness of a service: the tasks that must run and the checks that must pass."""

from asyncio import Task
from collections.abc import Awaitable, Callable, Sequence

from ..errors import TenantryError

__all__ = ["Check", "Readiness", "run_until_passed"]

Check = Callable[[], Awaitable[None]]
"""Raises :class:`~servicekit.errors.TenantryError` while something is missing."""


def run_until_passed(check: Check) -> Check:
    """Return a check that calls ``check`` only until it has passed once."""
    passed = False

    async def run() -> None:
        nonlocal passed
        if not passed:
            await check()
            passed = True

    return run


class Readiness:
    """State of a service, as its probes report it.

    Parameters
    ----------
    tasks
        Tasks that never end by themselves. If a task has ended, its data (for example the Tenants) is no
        longer updated, and only a restart helps. Tasks may be added while the service starts.
    checks
        Checks that run for each probe. A shared system that the service can do without, for example Redis,
        must have no check: its outage would take all replicas out of service.
    """

    def __init__(self, tasks: Sequence[Task[None]], checks: Sequence[Check]) -> None:
        self._tasks = tasks
        self._checks = checks

    @property
    def ended(self) -> list[str]:
        """Names of tasks that have ended."""
        return [task.get_name() for task in self._tasks if task.done()]

    async def list_missing(self) -> list[str]:
        """Return a sentence for each check that fails; empty when requests can be served."""
        missing: list[str] = []
        for check in self._checks:
            try:
                await check()
            except TenantryError as exc:
                missing.append(str(exc.to_problem()["detail"]))
        return missing
