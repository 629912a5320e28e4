"""Tests of failures of the storage quota; tests/integration/gateway/limits covers the counting."""

from collections.abc import Mapping

import pytest
from gateway.limits.storage_quota import StorageQuota
from gateway.problems import LimitsUnavailable
from servicekit.errors import BackendUnavailable

from tests.support.fakes.limits import FakeRedis, make_unavailable_redis
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("storage-quota")


async def list_nothing() -> Mapping[str, int]:
    return {}


async def test_without_redis_reserving_and_releasing_fail() -> None:
    quota = StorageQuota(make_unavailable_redis().cast_to_real_class())
    with pytest.raises(LimitsUnavailable):
        await quota.reserve(TENANT, "d", 1, list_nothing)
    with pytest.raises(LimitsUnavailable):
        await quota.release(TENANT, "d")


async def test_a_failed_listing_is_reported_as_a_failure_of_s3() -> None:
    async def fail() -> Mapping[str, int]:
        raise BackendUnavailable("s3", "list", "down")

    with pytest.raises(BackendUnavailable, match="s3"):
        await StorageQuota(FakeRedis(["absent", 0]).cast_to_real_class()).reserve(TENANT, "d", 1, fail)
