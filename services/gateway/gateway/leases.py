"""Work under a lease that is renewed while the work runs and cancelled before the lease expires.

A lease protects nothing unless its holder stops in time. So the work is cancelled when no renewal has
succeeded for two thirds of the lease's duration, for whatever reason.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from servicekit.errors import BackendError
from servicekit.tasks import cancel_and_wait
from tenancy.errors import TenantSuspended

__all__ = ["LEASE_TTL_SECONDS", "LeaseLost", "hold_lease"]

LEASE_TTL_SECONDS = 30.0
"""Duration of a lease after its last renewal."""

RENEWALS_PER_LEASE = 6
"""Number of renewals during a lease, so that a few renewals may fail."""

RENEW_DEADLINE_SHARE = 2 / 3
"""Share of a lease's duration for which its holder continues without a successful renewal."""


class LeaseLost(Exception):
    """The lease could not be renewed, so the work under it was cancelled."""


@asynccontextmanager
async def hold_lease(renew: Callable[[], Awaitable[bool]], *, seconds: float) -> AsyncIterator[None]:
    """Run the block under a lease that has just been acquired, and renew the lease meanwhile.

    Parameters
    ----------
    renew
        Function that extends the lease to ``seconds`` from now. It returns False if another holder has the
        lease; the error :class:`~tenancy.errors.TenantSuspended` counts as False.
    seconds
        Duration of the lease.

    Raises
    ------
    LeaseLost
        The lease was lost, or was not renewed for too long. The block was cancelled.
    """
    deadline = asyncio.timeout(seconds * RENEW_DEADLINE_SHARE)
    try:
        async with deadline:
            renewing = asyncio.create_task(_renew_loop(renew, deadline, seconds))
            try:
                yield
            finally:
                await cancel_and_wait(renewing)
    except TimeoutError as exc:
        if deadline.expired():
            raise LeaseLost from exc
        raise


async def _renew_loop(
    renew: Callable[[], Awaitable[bool]], deadline: asyncio.Timeout, seconds: float
) -> None:
    now = asyncio.get_running_loop().time
    while not deadline.expired():
        await asyncio.sleep(seconds / RENEWALS_PER_LEASE)
        requested_at = now()
        try:
            is_held = await renew()
        except TenantSuspended:
            is_held = False
        except BackendError:
            continue  # the caller counts the error; the deadline stays the same
        if not deadline.expired():
            deadline.reschedule(requested_at + seconds * RENEW_DEADLINE_SHARE if is_held else requested_at)
