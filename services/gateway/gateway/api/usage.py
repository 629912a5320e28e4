"""``GET /v1/usage``: what one's own tenant used, what that cost, and what is left of the month."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query

from ..limits.usage import Counts, UsageRow
from ..prices import Price, cost
from ..problems import AdminOnly, FormRefused, LimitsUnavailable
from .auth import Administrator, Context
from .responses import PERSON, problems
from .schemas import BudgetResponse, UsageResponse, UsageRowResponse, UsageTotals

__all__ = ["router"]

router = APIRouter()


@router.get(
    "/v1/usage",
    summary="Show a tenant's administrators what it used, and what that cost",
    responses=problems(*PERSON, FormRefused, AdminOnly, LimitsUnavailable),
)
async def usage(
    person: Administrator,
    context: Context,
    first: Annotated[
        date, Query(alias="from", description="The first day, of UTC.", examples=["2026-11-01"])
    ],
    last: Annotated[date, Query(alias="to", description="The last day.", examples=["2026-11-30"])],
) -> UsageResponse:
    """Return what was used from one day to another, both included, at most 92."""
    try:
        rows = await context.usage.read(person.tenant, first, last)
    except ValueError as exc:
        raise FormRefused("`to` must not be before `from`, and at most 92 days are shown at once.") from exc
    costs = [_cost(context.settings.prices, row) for row in rows]
    known = [each for each in costs if each is not None]
    return UsageResponse(
        first=first,
        last=last,
        rows=[_row(row, each) for row, each in zip(rows, costs, strict=True)],
        totals=UsageTotals.of(
            sum((row.counts for row in rows), Counts()),
            # A sum that leaves something out would look like a whole one.
            sum(known, Decimal(0)) if len(known) == len(costs) else None,
        ),
        budget=BudgetResponse.of(await context.budget.state(person.tenant)),
    )


def _cost(prices: Mapping[str, Price], row: UsageRow) -> Decimal | None:
    counts = row.counts
    return cost(
        prices,
        row.model,
        input_tokens=counts.input_tokens + counts.embedding_tokens,
        output_tokens=counts.output_tokens,
    )


def _row(row: UsageRow, dollars: Decimal | None) -> UsageRowResponse:
    totals = UsageTotals.of(row.counts, dollars)
    return UsageRowResponse(**vars(totals), day=row.day, persona_id=row.persona_id, model=row.model)
