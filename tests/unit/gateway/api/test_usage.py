"""Tests of ``GET /v1/usage``: contents, totals and authorization."""

from datetime import date
from typing import Any

import pytest
from gateway.limits.usage import Counts, UsageRow

from .conftest import GatewayHarness
from .test_errors import check_problem

SPAN = {"from": "2026-11-01", "to": "2026-11-30"}
CLAUDE = "us.anthropic.claude-sonnet-4-6"
ROWS = [
    UsageRow(date(2026, 11, 3), "finance", CLAUDE, Counts(requests=2, input_tokens=1_000, output_tokens=200)),
    UsageRow(
        date(2026, 11, 4), None, "amazon.titan-embed-text-v2:0", Counts(requests=3, embedding_tokens=50)
    ),
]


async def read(harness: GatewayHarness, as_: str = "Bearer admin-tenanta", **span: str) -> dict[str, Any]:
    response = await harness.get("/v1/usage", as_=as_, params=SPAN | span)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_the_usage_has_rows_totals_and_cost(harness: GatewayHarness) -> None:
    harness.usage.rows = ROWS
    harness.budget.settled = [1200]
    assert await read(harness) == {
        "from": "2026-11-01",
        "to": "2026-11-30",
        "rows": [
            {
                "day": "2026-11-03",
                "personaId": "finance",
                "model": CLAUDE,
                "requests": 2,
                "inputTokens": 1000,
                "outputTokens": 200,
                "embeddingTokens": 0,
                "cachedAnswers": 0,
                "estimatedCostUsd": "0.006600",
            },
            {
                "day": "2026-11-04",
                "personaId": None,
                "model": "amazon.titan-embed-text-v2:0",
                "requests": 3,
                "inputTokens": 0,
                "outputTokens": 0,
                "embeddingTokens": 50,
                "cachedAnswers": 0,
                "estimatedCostUsd": "0.000001",
            },
        ],
        "totals": {
            "requests": 5,
            "inputTokens": 1000,
            "outputTokens": 200,
            "embeddingTokens": 50,
            "cachedAnswers": 0,
            "estimatedCostUsd": "0.006601",
        },
        "budget": {"limit": 5_000_000, "used": 1200, "reserved": 0, "resetsAt": "2026-12-01T00:00:00Z"},
    }


async def test_without_a_price_neither_the_row_nor_the_total_has_a_cost(harness: GatewayHarness) -> None:
    harness.usage.rows = [*ROWS, UsageRow(date(2026, 11, 5), None, "own-model", Counts(input_tokens=1))]
    document = await read(harness)
    assert [row["estimatedCostUsd"] is None for row in document["rows"]] == [False, False, True]
    assert document["totals"]["estimatedCostUsd"] is None
    assert document["totals"]["inputTokens"] == 1001


async def test_without_usage_the_cost_is_zero(harness: GatewayHarness) -> None:
    document = await read(harness)
    assert (document["rows"], document["totals"]["estimatedCostUsd"]) == ([], "0.000000")


async def test_only_administrators_may_read_the_usage(harness: GatewayHarness) -> None:
    response = await harness.get("/v1/usage", as_="Bearer person-tenanta", params=SPAN)
    assert (response.status_code, check_problem(response)["type"]) == (
        403,
        "https://tenantry.io/problems/admin-only",
    )


@pytest.mark.parametrize("as_", ["", "Ticket x", "Bearer x"])
async def test_unauthenticated_callers_are_401(harness: GatewayHarness, as_: str) -> None:
    assert (await harness.get("/v1/usage", as_=as_, params=SPAN)).status_code == 401


@pytest.mark.parametrize(
    "span",
    [
        pytest.param({"from": "2026-12-01"}, id="backwards"),
        pytest.param({"from": "yesterday"}, id="no-date"),
        pytest.param({"to": "2026-13-01"}, id="no-month"),
    ],
)
async def test_an_invalid_period_is_422(harness: GatewayHarness, span: dict[str, str]) -> None:
    response = await harness.get("/v1/usage", as_="Bearer admin-tenanta", params=SPAN | span)
    assert check_problem(response)["type"] == "https://tenantry.io/problems/invalid-request"
    assert response.status_code == 422
