"""Tests of work under a lease, in simulated time."""

import asyncio
from contextlib import suppress

import pytest
from gateway.leases import LeaseLost, hold_lease
from servicekit.errors import BackendUnavailable
from tenancy.errors import TenantSuspended

from tests.support.timing.clock import simulate

SECONDS = 30.0


class FakeRenewableLease:
    """Lease of 30 s whose renewals fail in ``silent`` spans; another holder has it from ``taken_at`` on."""

    def __init__(self, *silent: tuple[float, float], taken_at: float = float("inf")) -> None:
        self.silent = silent
        self.taken_at = taken_at
        self.ends = SECONDS

    async def renew(self) -> bool:
        now = asyncio.get_running_loop().time()
        if any(start <= now < end for start, end in self.silent):
            await asyncio.sleep(1.0)
            raise BackendUnavailable("redis", "renew-lease", "down")
        if now >= self.taken_at:
            return False
        assert now < self.ends, "the renewal came too late"
        self.ends = now + SECONDS
        return True


def run_work(lease: FakeRenewableLease, seconds: float) -> float:
    """Run work of a duration under a lease; return its end, which must be before the lease's end."""

    async def run_scenario() -> float:
        now = asyncio.get_running_loop().time
        try:
            async with hold_lease(lease.renew, seconds=SECONDS):
                await asyncio.sleep(seconds)
        finally:
            assert now() < lease.ends
        return now()

    return simulate(run_scenario())


def test_work_may_take_much_longer_than_a_lease() -> None:
    assert run_work(FakeRenewableLease(), 3600.0) == 3600.0


def test_a_short_outage_of_renewals_does_not_end_the_work() -> None:
    assert run_work(FakeRenewableLease((8.0, 20.0), (60.0, 70.0)), 600.0) == 600.0


@pytest.mark.parametrize("start", [0.0, 7.0, 100.0])
def test_work_ends_before_a_lease_that_cannot_be_renewed(start: float) -> None:
    with pytest.raises(LeaseLost):
        run_work(FakeRenewableLease((start, 10_000.0)), 3600.0)


def test_work_ends_when_another_holder_has_the_lease() -> None:
    async def run_scenario() -> float:
        with pytest.raises(LeaseLost):
            async with hold_lease(FakeRenewableLease(taken_at=11.0).renew, seconds=SECONDS):
                await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert simulate(run_scenario()) <= 16.0


def test_a_timeout_of_the_work_is_not_a_lost_lease() -> None:
    async def run_scenario() -> None:
        async with hold_lease(FakeRenewableLease().renew, seconds=SECONDS), asyncio.timeout(1):
            await asyncio.sleep(2)

    with pytest.raises(TimeoutError):
        simulate(run_scenario())


def test_work_ends_although_a_renewal_suppresses_its_cancellation() -> None:
    async def renew() -> bool:
        with suppress(asyncio.CancelledError):  # asyncio.wait_for before Python 3.12 may suppress it, too
            await asyncio.sleep(1.0)
        return True

    async def run_scenario() -> float:
        async with hold_lease(renew, seconds=SECONDS):
            await asyncio.sleep(5.5)  # a renewal is running
        return asyncio.get_running_loop().time()

    assert simulate(run_scenario()) < 10


@pytest.mark.parametrize("refused", [False, True], ids=["another holder", "the Tenant is being deleted"])
def test_work_ends_at_the_first_renewal_that_is_refused(refused: bool) -> None:
    async def renew() -> bool:
        if refused:
            raise TenantSuspended("This tenant is being removed.")
        return False

    async def run_scenario() -> float:
        with pytest.raises(LeaseLost):
            async with hold_lease(renew, seconds=SECONDS):
                await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert simulate(run_scenario()) == pytest.approx(5.0)
