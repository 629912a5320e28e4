"""Tests of rate limit results and headers; tests/integration/gateway/limits covers the counting."""

import pytest
from gateway.limits.rate import RateLimiter, RateLimitResult
from gateway.problems import RateLimited

from tests.support.fakes.limits import FakeRedis, get_metric, make_unavailable_redis
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta", quota={"queriesPerMinute": 7})


def test_headers_follow_the_draft() -> None:
    assert RateLimitResult(60, remaining=12, reset=31).to_headers() == {
        "RateLimit-Policy": '"queries";q=60;w=60',
        "RateLimit": '"queries";r=12;t=31',
    }


def test_without_a_count_there_is_no_ratelimit_header() -> None:
    assert RateLimitResult(60).to_headers() == {"RateLimit-Policy": '"queries";q=60;w=60'}


def test_a_refusal_has_a_retry_after_and_is_counted() -> None:
    before = get_metric("tenantry_gateway_limit_exceeded_total", limit="rate")
    with pytest.raises(RateLimited, match="7 queries a minute") as refused:
        RateLimitResult(7, allowed=False, remaining=0, reset=31).require_allowed()
    assert refused.value.retry_after == 31
    assert refused.value.to_problem()["limit"] == 7
    assert get_metric("tenantry_gateway_limit_exceeded_total", limit="rate") == before + 1


async def test_the_limit_comes_from_the_tenant() -> None:
    redis = FakeRedis([1, 6, 61])
    rate = await RateLimiter(redis.cast_to_real_class()).count(TENANT)
    assert rate == RateLimitResult(7, allowed=True, remaining=6, reset=61)
    assert redis.sent == [("tenant-tenanta:uid-tenanta:rate", 7, 60)]


async def test_without_redis_every_query_passes_and_a_metric_counts_it() -> None:
    before = get_metric("tenantry_gateway_limit_checks_skipped_total", limit="rate")
    rate = await RateLimiter(make_unavailable_redis().cast_to_real_class()).count(TENANT)
    rate.require_allowed()
    assert rate.remaining is None
    assert get_metric("tenantry_gateway_limit_checks_skipped_total", limit="rate") == before + 1
