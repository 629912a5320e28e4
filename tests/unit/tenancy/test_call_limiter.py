"""Calls of tenants against one rate."""

import pytest
from tenancy import call_limiter
from tenancy.call_limiter import CallLimiter
from tenancy.errors import TooManyCalls


def test_who_calls_too_often_is_refused_and_nobody_else() -> None:
    limiter = CallLimiter(60)
    for _ in range(10):
        limiter.count("a")
    with pytest.raises(TooManyCalls, match="60 times a minute") as refused:
        limiter.count("a")
    assert refused.value.retry_after == 1
    limiter.count("b")


def test_what_is_kept_of_tenants_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_limiter, "TENANTS", 2)
    limiter = CallLimiter(60)
    for tenant in "abcd":
        limiter.count(tenant)
    assert list(limiter._buckets) == ["c", "d"]
