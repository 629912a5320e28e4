"""Tests of limits in the HTTP API: headers, refusals and uncounted requests."""

import pytest
from gateway.limits.rate import RateLimitResult
from gateway.problems import BudgetExhausted, LimitsUnavailable, QuotaExceeded

from .conftest import GatewayHarness
from .test_errors import check_problem

QUERIES = [("/v1/search", {"query": "budget"}), ("/v1/answers", {"question": "budget"})]


@pytest.mark.parametrize(("path", "body"), QUERIES)
async def test_every_response_has_the_rate_limit_headers(
    harness: GatewayHarness, path: str, body: dict[str, str]
) -> None:
    harness.rate.result = RateLimitResult(60, remaining=12, reset=31)
    for extra, status in (({}, 200), ({"personaId": "unknown"}, 404), ({"unknown": "x"}, 422)):
        response = await harness.post(path, json=body | extra)
        assert response.status_code == status
        assert response.headers["ratelimit-policy"] == '"queries";q=60;w=60'
        assert response.headers["ratelimit"] == '"queries";r=12;t=31'


@pytest.mark.parametrize(("path", "body"), QUERIES)
async def test_a_query_above_the_rate_is_429_and_not_processed(
    harness: GatewayHarness, path: str, body: dict[str, str]
) -> None:
    harness.rate.result = RateLimitResult(60, allowed=False, remaining=0, reset=31)
    response = await harness.post(path, json=body)
    assert check_problem(response)["type"] == "https://tenantry.io/problems/rate-limited"
    assert response.status_code == 429
    assert response.headers["retry-after"] == "31"
    assert response.headers["ratelimit"] == '"queries";r=0;t=31'
    assert not harness.vectors.searches


async def test_unauthenticated_queries_are_not_counted(harness: GatewayHarness) -> None:
    for caller in ("", "Bearer unknown", "Bearer person-sleeping", "Ticket x"):
        response = await harness.post("/v1/search", json={"query": "x"}, as_=caller)
        assert response.status_code in (401, 403)
        assert "ratelimit" not in response.headers
    assert not harness.rate.checked


async def test_an_upload_does_not_count_as_a_query(harness: GatewayHarness) -> None:
    harness.rate.result = RateLimitResult(0, allowed=False, remaining=0, reset=60)
    response = await harness.upload()
    assert response.status_code == 201
    assert "ratelimit" not in response.headers


async def test_an_exhausted_budget_is_429_with_its_numbers(harness: GatewayHarness) -> None:
    await harness.upload()
    members = {"limit": 1000, "used": 990, "resetsAt": "2026-12-01T00:00:00Z"}
    harness.budget.refuses = BudgetExhausted("No more.", retry_after=3600, **members)
    response = await harness.post("/v1/answers", json={"question": "What is the budget?"})
    document = check_problem(response)
    assert (response.status_code, response.headers["retry-after"]) == (429, "3600")
    assert members.items() <= document.items()
    assert "ratelimit" in response.headers
    search = await harness.post("/v1/search", json={"query": "What is the budget?"})
    assert search.status_code == 200, "a search takes no tokens of the budget"


async def test_a_budget_that_cannot_be_counted_is_503(harness: GatewayHarness) -> None:
    await harness.upload()
    harness.budget.refuses = LimitsUnavailable("Try again.")
    response = await harness.post("/v1/answers", json={"question": "What is the budget?"})
    assert check_problem(response)["type"] == "https://tenantry.io/problems/limits-unavailable"
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


def test_an_exceeded_quota_is_403() -> None:
    assert (QuotaExceeded.status, QuotaExceeded.slug) == (403, "quota-exceeded")
