"""Work under a lease: it lasts as long as the lease is renewed, and ends before the lease does.

What a reader could get wrong: a lease is only worth something if its holder stops in time. So the work is
cancelled when no renewal has come through for two thirds of the lease, whatever the reason.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from servicekit.errors import RemoteError
from servicekit.tasks import cancel_and_wait
from tenancy.errors import TenantSuspended

__all__ = ["LEASE_SECONDS", "LeaseLost", "leased"]

LEASE_SECONDS = 30.0
"""How long a lease outlives the last sign of life of its holder."""

BEATS = 6
"""Renewals in the time of a lease, so that a few may fail."""

TRUSTED = 2 / 3
"""Part of a lease for which its holder goes on without a renewal."""


class LeaseLost(Exception):
    """The lease could not be renewed, so the work under it was cancelled."""


@asynccontextmanager
async def leased(renew: Callable[[], Awaitable[bool]], *, seconds: float) -> AsyncIterator[None]:
    """Run the block under a lease that has just been taken.

    Parameters
    ----------
    renew
        Lets the lease last ``seconds`` from now on; false when it is somebody else's by now, and so is
        :class:`~tenancy.errors.TenantSuspended`.
    seconds
        How long the lease lasts.

    Raises
    ------
    LeaseLost
        It was lost, or its keeper has not answered for too long. The block was cancelled.
    """
    deadline = asyncio.timeout(seconds * TRUSTED)
    try:
        async with deadline:
            beating = asyncio.create_task(_beat(renew, deadline, seconds))
            try:
                yield
            finally:
                await cancel_and_wait(beating)
    except TimeoutError as exc:
        if deadline.expired():
            raise LeaseLost from exc
        raise


async def _beat(renew: Callable[[], Awaitable[bool]], deadline: asyncio.Timeout, seconds: float) -> None:
    now = asyncio.get_running_loop().time
    while not deadline.expired():
        await asyncio.sleep(seconds / BEATS)
        asked = now()
        try:
            held = await renew()
        except TenantSuspended:
            held = False
        except RemoteError:
            continue  # counted where the call is made; the deadline stays where it was
        if not deadline.expired():
            deadline.reschedule(asked + seconds * TRUSTED if held else asked)
