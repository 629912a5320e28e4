"""Readiness: what a gateway waits for, and that it stops waiting by itself."""

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from gateway.context import Readiness
from gateway.problems import DimensionMismatch
from servicekit.errors import RemoteUnavailable, TenantryError
from tenancy.errors import IdentityUnavailable

if TYPE_CHECKING:
    from gateway.vectors import Vectors
    from tenancy.jwks import RemoteKeys
    from tenancy.registry import TenantRegistry


class Backend:
    """Registry, key set and Qdrant in one; each as well as the test says."""

    def __init__(self) -> None:
        self.synced = True
        self.keys_fail = False
        self.check_fails: TenantryError | None = None
        self.checks = 0

    async def wait_fetched(self) -> None:
        if self.keys_fail:
            raise IdentityUnavailable("The keys cannot be fetched.")

    async def check(self) -> None:
        self.checks += 1
        if self.check_fails:
            raise self.check_fails


def readiness(backend: Backend, watching: "asyncio.Task[None]") -> Readiness:
    return Readiness(
        cast("TenantRegistry", backend), [watching], cast("RemoteKeys", backend), cast("Vectors", backend)
    )


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
async def ready(backend: Backend) -> Readiness:
    return readiness(backend, asyncio.create_task(asyncio.sleep(0)))


async def test_a_gateway_is_ready_when_all_is_there(ready: Readiness) -> None:
    assert await ready.missing() == []


async def test_everything_that_is_missing_is_named_at_once(backend: Backend, ready: Readiness) -> None:
    backend.synced, backend.keys_fail = False, True
    backend.check_fails = RemoteUnavailable("qdrant", "info", "host-1 is down")
    tenants, keys, qdrant = await ready.missing()
    assert "Tenants" in tenants
    assert "keys" in keys
    assert "host-1" not in qdrant


async def test_qdrant_is_asked_again_until_it_answers_and_then_no_more(
    backend: Backend, ready: Readiness
) -> None:
    backend.check_fails = RemoteUnavailable("qdrant", "info", "down")
    assert await ready.missing()
    backend.check_fails = None
    for _ in range(3):
        assert not await ready.missing()
    assert backend.checks == 2


async def test_a_collection_that_does_not_fit_never_becomes_ready(backend: Backend, ready: Readiness) -> None:
    backend.check_fails = DimensionMismatch("Collection x holds vectors of 4 numbers.")
    for _ in range(2):
        (missing,) = await ready.missing()
        assert "4 numbers" in missing


async def test_endless_work_that_ended_is_named(backend: Backend) -> None:
    watching = asyncio.create_task(asyncio.sleep(0), name="registry")
    ready = readiness(backend, watching)
    assert ready.ended == []
    await watching
    assert ready.ended == ["registry"]
