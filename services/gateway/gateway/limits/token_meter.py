"""What an answer may spend and has spent: the month's budget around the model's call, then the books."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicekit.deadline import without_deadline
from tenancy.model import Tenant

from .budget import Budget, Reservation
from .tenant_metrics import TenantSeries
from .usage import Counts, UsageLog

__all__ = ["Ledger", "Spending"]


class Spending:
    """What one call of a model has spent so far."""

    def __init__(self) -> None:
        self.counts: Counts | None = None

    def report(self, *, input_tokens: int, output_tokens: int) -> None:
        """Say what the model read and wrote in all; the last word counts."""
        self.counts = Counts(requests=1, input_tokens=input_tokens, output_tokens=output_tokens)


class Ledger:
    """Lets answers spend, and writes down what they spent."""

    def __init__(self, budget: Budget, usage: UsageLog, series: TenantSeries) -> None:
        self._budget = budget
        self._usage = usage
        self._series = series
        self._writing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def spend(
        self, tenant: Tenant, *, model: str, persona_id: str | None, tokens: int
    ) -> AsyncIterator[Spending]:
        """Let a model be asked inside the block, which reports what that took.

        What was reported is paid, however the block ends; where nothing was, the budget gets everything back.
        A stream may live inside the block as long as it likes, up to five minutes.

        Parameters
        ----------
        tokens
            The most that it may take.

        Raises
        ------
        BudgetExhausted, LimitsUnavailable
            As :meth:`Budget.reserve`, before the block is entered.
        """
        reservation = await self._budget.reserve(tenant, tokens)
        spending = Spending()
        try:
            yield spending
        finally:
            # A caller who hangs up cancels us right here; what was spent is written down nevertheless.
            writing = asyncio.create_task(
                self._write(reservation, spending, model=model, persona_id=persona_id)
            )
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
            await asyncio.shield(writing)

    async def close(self) -> None:
        """Return when all is written down."""
        await asyncio.gather(*self._writing)

    async def _write(
        self, reservation: Reservation, spending: Spending, *, model: str, persona_id: str | None
    ) -> None:
        with without_deadline():
            if spending.counts is None:
                await self._budget.release(reservation)
                return
            spent = spending.counts
            self._series.add_answer(reservation.tenant)
            self._usage.record(reservation.tenant, spent, model=model, persona_id=persona_id)
            await self._budget.settle(reservation, spent.input_tokens + spent.output_tokens)
