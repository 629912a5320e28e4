"""Limits as callers see them: fields, refusals, and what does not count."""

import pytest
from gateway.limits.rate import RateLimitResult
from gateway.problems import BudgetExhausted, LimitsUnavailable, QuotaExceeded

from .conftest import World
from .test_errors import problem

QUERIES = [("/v1/search", {"query": "budget"}), ("/v1/answers", {"question": "budget"})]


@pytest.mark.parametrize(("path", "body"), QUERIES)
async def test_every_answer_says_how_the_tenant_stands(world: World, path: str, body: dict[str, str]) -> None:
    world.rate.result = RateLimitResult(60, remaining=12, reset=31)
    for extra, status in (({}, 200), ({"personaId": "nobody"}, 404), ({"unknown": "x"}, 422)):
        response = await world.post(path, json=body | extra)
        assert response.status_code == status
        assert response.headers["ratelimit-policy"] == '"queries";q=60;w=60'
        assert response.headers["ratelimit"] == '"queries";r=12;t=31'


@pytest.mark.parametrize(("path", "body"), QUERIES)
async def test_one_query_too_many_is_429_and_goes_no_further(
    world: World, path: str, body: dict[str, str]
) -> None:
    world.rate.result = RateLimitResult(60, allowed=False, remaining=0, reset=31)
    response = await world.post(path, json=body)
    assert problem(response)["type"] == "https://tenantry.io/problems/rate-limited"
    assert response.status_code == 429
    assert response.headers["retry-after"] == "31"
    assert response.headers["ratelimit"] == '"queries";r=0;t=31'
    assert not world.vectors.asked


async def test_who_is_not_let_in_is_not_counted(world: World) -> None:
    for caller in ("", "Bearer nobody", "Bearer person-sleeping", "Ticket x"):
        response = await world.post("/v1/search", json={"query": "x"}, as_=caller)
        assert response.status_code in (401, 403)
        assert "ratelimit" not in response.headers
    assert not world.rate.checked


async def test_an_upload_is_no_query(world: World) -> None:
    world.rate.result = RateLimitResult(0, allowed=False, remaining=0, reset=60)
    response = await world.upload()
    assert response.status_code == 201
    assert "ratelimit" not in response.headers


async def test_a_month_that_is_used_up_is_429_with_its_figures(world: World) -> None:
    await world.upload()
    members = {"limit": 1000, "used": 990, "resetsAt": "2026-12-01T00:00:00Z"}
    world.budget.refuses = BudgetExhausted("No more.", retry_after=3600, **members)
    response = await world.post("/v1/answers", json={"question": "What is the budget?"})
    document = problem(response)
    assert (response.status_code, response.headers["retry-after"]) == (429, "3600")
    assert members.items() <= document.items()
    assert "ratelimit" in response.headers
    search = await world.post("/v1/search", json={"query": "What is the budget?"})
    assert search.status_code == 200, "a search takes no tokens of the budget"


async def test_a_budget_that_cannot_be_counted_is_503(world: World) -> None:
    await world.upload()
    world.budget.refuses = LimitsUnavailable("Try again.")
    response = await world.post("/v1/answers", json={"question": "What is the budget?"})
    assert problem(response)["type"] == "https://tenantry.io/problems/limits-unavailable"
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


def test_a_quota_is_a_refusal_that_no_waiting_helps() -> None:
    assert (QuotaExceeded.status, QuotaExceeded.slug) == (403, "quota-exceeded")
