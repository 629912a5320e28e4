"""Tests of the rate limit of calls per tenant."""

import pytest
from tenancy import call_limiter
from tenancy.call_limiter import CallLimiter
from tenancy.errors import TooManyCalls


def test_only_the_tenant_that_exceeds_the_rate_is_refused() -> None:
    limiter = CallLimiter(60)
    for _ in range(10):
        limiter.count("a")
    with pytest.raises(TooManyCalls, match="60 times a minute") as refused:
        limiter.count("a")
    assert refused.value.retry_after == 1
    limiter.count("b")


def test_the_number_of_stored_tenants_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_limiter, "MAX_TENANTS", 2)
    limiter = CallLimiter(60)
    for tenant in "abcd":
        limiter.count(tenant)
    assert list(limiter._buckets) == ["c", "d"]
