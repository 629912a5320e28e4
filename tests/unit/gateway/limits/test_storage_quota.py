"""Whose failure is whose. What Redis counts: tests/integration/gateway/limits."""

from collections.abc import Mapping

import pytest
from gateway.limits.storage_quota import Stock
from gateway.problems import LimitsUnavailable
from servicekit.errors import RemoteUnavailable

from tests.support.limits import FakeRedis, redis_gone
from tests.support.tenants import make_tenant

TENANT = make_tenant("stock")


async def none_stored() -> Mapping[str, int]:
    return {}


async def test_without_redis_nothing_is_admitted_and_nothing_forgotten() -> None:
    stock = Stock(redis_gone().as_adapter())
    with pytest.raises(LimitsUnavailable):
        await stock.admit(TENANT, "d", 1, none_stored)
    with pytest.raises(LimitsUnavailable):
        await stock.forget(TENANT, "d")


async def test_a_listing_that_fails_is_s3s_failure() -> None:
    async def fail() -> Mapping[str, int]:
        raise RemoteUnavailable("s3", "list", "down")

    with pytest.raises(RemoteUnavailable, match="s3"):
        await Stock(FakeRedis(["absent", 0]).as_adapter()).admit(TENANT, "d", 1, fail)
