"""Tests of readiness: it names missing systems, and recovers without a restart."""

import asyncio

import pytest
from servicekit.errors import BackendUnavailable, TenantryError
from servicekit.web.readiness import Readiness, run_until_passed


class FakeSystem:
    """A system whose check fails with the error that the test sets."""

    def __init__(self) -> None:
        self.error: TenantryError | None = None
        self.checks = 0

    async def check(self) -> None:
        self.checks += 1
        if self.error:
            raise self.error


@pytest.fixture
def backend() -> FakeSystem:
    return FakeSystem()


async def test_a_service_is_ready_when_all_checks_pass(backend: FakeSystem) -> None:
    assert await Readiness([], [backend.check, backend.check]).list_missing() == []


async def test_missing_systems_are_named_without_internal_details(backend: FakeSystem) -> None:
    other = FakeSystem()
    backend.error = TenantryError("The Tenants are not known yet.")
    other.error = BackendUnavailable("qdrant", "info", "host-1 is down")
    tenants, qdrant = await Readiness([], [backend.check, other.check]).list_missing()
    assert "Tenants" in tenants
    assert "host-1" not in qdrant


async def test_a_check_runs_until_it_passes_and_not_after(backend: FakeSystem) -> None:
    ready = Readiness([], [run_until_passed(backend.check)])
    backend.error = BackendUnavailable("qdrant", "info", "down")
    assert await ready.list_missing()
    backend.error = None
    for _ in range(3):
        assert not await ready.list_missing()
    assert backend.checks == 2


async def test_a_service_is_not_ready_while_a_check_fails(backend: FakeSystem) -> None:
    ready = Readiness([], [run_until_passed(backend.check)])
    backend.error = TenantryError("Collection x holds vectors of 4 numbers.")
    for _ in range(2):
        (missing,) = await ready.list_missing()
        assert "4 numbers" in missing


async def test_an_ended_task_is_named() -> None:
    task = asyncio.create_task(asyncio.sleep(0), name="registry")
    ready = Readiness([task], [])
    assert ready.ended == []
    await task
    assert ready.ended == ["registry"]
