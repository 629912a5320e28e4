"""A rate as callers see it, and without Redis. How it is counted: tests/integration/gateway/limits."""

import pytest
from gateway.limits.rate import Rate, RateLimiter
from gateway.problems import RateLimited

from tests.support.limits import FakeRedis, metric, redis_gone
from tests.support.tenants import make_tenant

TENANT = make_tenant("tenanta", quota={"queriesPerMinute": 7})


def test_the_fields_are_those_of_the_draft() -> None:
    assert Rate(60, remaining=12, reset=31).to_headers() == {
        "RateLimit-Policy": '"queries";q=60;w=60',
        "RateLimit": '"queries";r=12;t=31',
    }


def test_what_could_not_be_counted_is_not_made_up() -> None:
    assert Rate(60).to_headers() == {"RateLimit-Policy": '"queries";q=60;w=60'}


def test_a_refusal_says_when_to_come_back_and_is_counted() -> None:
    before = metric("tenantry_gateway_refused_total", limit="rate")
    with pytest.raises(RateLimited, match="7 times a minute") as refused:
        Rate(7, allowed=False, remaining=0, reset=31).require_allowed()
    assert refused.value.retry_after == 31
    assert refused.value.to_problem()["limit"] == 7
    assert metric("tenantry_gateway_refused_total", limit="rate") == before + 1


async def test_the_limit_is_the_one_in_the_tenant() -> None:
    redis = FakeRedis([1, 6, 61])
    rate = await RateLimiter(redis.as_adapter()).count(TENANT)
    assert rate == Rate(7, allowed=True, remaining=6, reset=61)
    assert redis.sent == [("tenant-tenanta:uid-tenanta:rate", 7, 60)]


async def test_without_redis_every_query_passes_and_a_metric_tells() -> None:
    before = metric("tenantry_gateway_limits_open_total", limit="rate")
    rate = await RateLimiter(redis_gone().as_adapter()).count(TENANT)
    rate.require_allowed()
    assert rate.remaining is None
    assert metric("tenantry_gateway_limits_open_total", limit="rate") == before + 1
