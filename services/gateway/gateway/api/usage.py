"""HTTP route ``GET /v1/usage``: usage, estimated cost and budget of the tenant."""

import asyncio
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query
from servicekit.errors import InvalidRequest
from starlette.responses import Response

from ..limits.usage import Counts, UsageRow
from ..prices import Price, calculate_cost
from ..problems import AdminOnly, LimitsUnavailable
from .auth import Administrator, Context
from .responses import PERSON, describe_problems
from .schemas import BudgetResponse, UsageResponse, UsageRowResponse, UsageTotals

__all__ = ["router"]

router = APIRouter()

ROWS_PER_CHUNK = 250
"""Rows that are encoded per step of the event loop."""


@router.get(
    "/v1/usage",
    summary="Get the tenant's usage and its estimated cost (administrators only)",
    response_model=UsageResponse,
    responses=describe_problems(*PERSON, InvalidRequest, AdminOnly, LimitsUnavailable),
)
async def get_usage(
    person: Administrator,
    context: Context,
    first: Annotated[date, Query(alias="from", description="First day (UTC).", examples=["2026-11-01"])],
    last: Annotated[
        date, Query(alias="to", description="Last day (UTC), inclusive.", examples=["2026-11-30"])
    ],
) -> Response:
    """Return the usage of a period of at most 92 days."""
    try:
        rows = await context.usage.read(person.tenant, first, last)
    except ValueError as exc:
        raise InvalidRequest("`to` must not be before `from`, and a report has at most 92 days.") from exc
    shown: list[str] = []
    counts, dollars = Counts(), list[Decimal | None]()
    for start in range(0, len(rows), ROWS_PER_CHUNK):
        for row in rows[start : start + ROWS_PER_CHUNK]:
            counts += row.counts
            dollars.append(_calculate_cost(context.settings.prices, row))
            shown.append(_build_row(row, dollars[-1]).model_dump_json(by_alias=True))
        await asyncio.sleep(0)  # a quarter with many personas has twenty thousand rows
    known_dollars = [amount for amount in dollars if amount is not None]
    report = UsageResponse(
        first=first,
        last=last,
        rows=[],
        # No total if a price is unknown, because a partial sum would appear complete.
        totals=UsageTotals.from_counts(
            counts, sum(known_dollars, Decimal(0)) if len(known_dollars) == len(dollars) else None
        ),
        budget=BudgetResponse.from_state(await context.budget.get_state(person.tenant)),
    )
    # FastAPI would convert the report to dictionaries first, which takes ten times as long.
    around, _, end = report.model_dump_json(by_alias=True).partition('"rows":[')
    return Response(f'{around}"rows":[{",".join(shown)}{end}', media_type="application/json")


def _calculate_cost(prices: Mapping[str, Price], row: UsageRow) -> Decimal | None:
    counts = row.counts
    return calculate_cost(
        prices,
        row.model,
        input_tokens=counts.input_tokens + counts.embedding_tokens,
        output_tokens=counts.output_tokens,
    )


def _build_row(row: UsageRow, dollars: Decimal | None) -> UsageRowResponse:
    totals = UsageTotals.from_counts(row.counts, dollars)
    return UsageRowResponse(**vars(totals), day=row.day, persona_id=row.persona_id, model=row.model)
