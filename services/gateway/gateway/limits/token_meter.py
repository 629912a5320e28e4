"""Metering of model tokens: budget reservation before a call, settlement and usage record after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicekit.deadline import suspend_deadline
from tenancy.model import Tenant

from .budget import Budget, Reservation
from .tenant_metrics import TenantMetrics
from .usage import Counts, UsageLog

__all__ = ["Measurement", "TokenMeter"]


class Measurement:
    """Tokens that one model call has consumed so far."""

    def __init__(self) -> None:
        self.counts: Counts | None = None

    def record(self, *, input_tokens: int, output_tokens: int) -> None:
        """Set the total tokens of the call; the last value is settled."""
        self.counts = Counts(requests=1, input_tokens=input_tokens, output_tokens=output_tokens)


class TokenMeter:
    """Reserves, settles and records the tokens of model calls."""

    def __init__(self, budget: Budget, usage: UsageLog, tenant_metrics: TenantMetrics) -> None:
        self._budget = budget
        self._usage = usage
        self._tenant_metrics = tenant_metrics
        self._settling: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def measure(
        self, tenant: Tenant, *, model: str, persona_id: str | None, max_tokens: int
    ) -> AsyncIterator[Measurement]:
        """Reserve tokens for a model call inside the block, and commit what the block records.

        Recorded tokens are settled even if the block raises or is cancelled. If nothing was recorded, the
        reservation is released. A stream may stay in the block for up to five minutes.

        Parameters
        ----------
        max_tokens
            Upper bound of the call's tokens.

        Raises
        ------
        BudgetExhausted, LimitsUnavailable
            As :meth:`Budget.reserve`, before the block is entered.
        """
        reservation = await self._budget.reserve(tenant, max_tokens)
        measurement = Measurement()
        try:
            yield measurement
        finally:
            # A caller that disconnects cancels this task here, but the tokens must be settled.
            settling = asyncio.create_task(
                self._commit(reservation, measurement, model=model, persona_id=persona_id)
            )
            self._settling.add(settling)
            settling.add_done_callback(self._settling.discard)
            await asyncio.shield(settling)

    async def close(self) -> None:
        """Wait until all calls are settled."""
        await asyncio.gather(*self._settling)

    async def _commit(
        self, reservation: Reservation, measurement: Measurement, *, model: str, persona_id: str | None
    ) -> None:
        with suspend_deadline():
            if measurement.counts is None:
                await self._budget.release(reservation)
                return
            counts = measurement.counts
            self._tenant_metrics.record_answer(reservation.tenant)
            self._usage.record(reservation.tenant, counts, model=model, persona_id=persona_id)
            await self._budget.commit(reservation, counts.input_tokens + counts.output_tokens)
