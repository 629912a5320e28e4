"""Tests of the storage quota on a real Redis with a fake listing."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from gateway.limits.storage_quota import BATCH_SIZE, StorageQuota
from gateway.problems import LimitsUnavailable, QuotaExceeded
from gateway.redis import TenantRedis
from pydantic import SecretStr
from tenancy.model import Tenant
from tenancy.names import build_storage_quota_key

from .conftest import make_new_tenant


class Listing:
    """Fake listing of stored documents, with the number of its calls."""

    def __init__(self, **sizes: int) -> None:
        self.sizes: dict[str, int] = sizes
        self.calls = 0

    async def __call__(self) -> Mapping[str, int]:
        self.calls += 1
        await asyncio.sleep(0.01)
        return dict(self.sizes)


@pytest.fixture
def quota(redis: TenantRedis) -> StorageQuota:
    return StorageQuota(redis)


async def try_reserve(
    quota: StorageQuota, tenant: Tenant, document_id: str, size: int, listing: Listing
) -> bool:
    try:
        await quota.reserve(tenant, document_id, size, listing)
    except QuotaExceeded:
        return False
    return True


async def get_stored_bytes(redis_client: Any, tenant: Tenant) -> int:
    """Return the stored total, after comparing it with the sizes of all documents."""
    stored = await redis_client.hgetall(build_storage_quota_key(tenant.id, tenant.uid))
    total = int(stored.pop("bytes"))
    assert total == sum(map(int, stored.values()))
    return total


async def test_stored_documents_count(quota: StorageQuota) -> None:
    tenant, listing = make_new_tenant(documents=3, storage="1Ki"), Listing(a=100, b=200)
    assert await try_reserve(quota, tenant, "c", 724, listing)
    with pytest.raises(QuotaExceeded) as refused:
        await quota.reserve(tenant, "d", 0, listing)
    assert refused.value.extensions == {"quota": "documents", "limit": 3, "used": 3}
    assert listing.calls == 1


async def test_the_limit_of_bytes_is_enforced(quota: StorageQuota, redis_client: Any) -> None:
    tenant, listing = make_new_tenant(documents=100, storage="1Ki"), Listing(a=1000)
    with pytest.raises(QuotaExceeded) as refused:
        await quota.reserve(tenant, "b", 25, listing)
    assert refused.value.extensions == {"quota": "storage", "limit": 1024, "used": 1000}
    assert await get_stored_bytes(redis_client, tenant) == 1000
    assert await try_reserve(quota, tenant, "b", 24, listing)


async def test_a_replacement_counts_only_the_difference(quota: StorageQuota, redis_client: Any) -> None:
    tenant, listing = make_new_tenant(documents=1, storage="1Ki"), Listing(a=1000)
    assert await try_reserve(quota, tenant, "a", 1024, listing)
    assert not await try_reserve(quota, tenant, "a", 1025, listing)
    assert await try_reserve(quota, tenant, "a", 10, listing)
    assert await get_stored_bytes(redis_client, tenant) == 10


async def test_a_document_may_shrink_while_a_lowered_quota_is_exceeded(
    quota: StorageQuota, redis_client: Any
) -> None:
    tenant, listing = make_new_tenant(documents=1, storage="1Ki"), Listing(a=5000, b=5000)
    assert not await try_reserve(quota, tenant, "a", 5001, listing)
    assert await try_reserve(quota, tenant, "a", 4000, listing)
    assert await get_stored_bytes(redis_client, tenant) == 9000


async def test_fifty_concurrent_uploads_do_not_exceed_the_quota(
    quota: StorageQuota, redis_client: Any
) -> None:
    tenant, listing = make_new_tenant(documents=40, storage="1Ki"), Listing(old=24)
    results = await asyncio.gather(*(try_reserve(quota, tenant, f"d{n}", 100, listing) for n in range(50)))
    assert sum(results) == 10
    assert await get_stored_bytes(redis_client, tenant) == 1024
    assert listing.calls == 1, "one listing for all concurrent requests"


async def test_gateways_that_fill_concurrently_do_not_count_twice(
    redis: TenantRedis, redis_client: Any
) -> None:
    tenant, listing = make_new_tenant(documents=1000, storage="1Mi"), Listing(old=24)
    gateways = [StorageQuota(redis) for _ in range(8)]
    results = await asyncio.gather(
        *(try_reserve(gateway, tenant, f"d{n}", 100, listing) for n, gateway in enumerate(gateways))
    )
    assert all(results)
    assert await get_stored_bytes(redis_client, tenant) == 824
    assert await redis_client.keys(f"{tenant.key}:*") == [build_storage_quota_key(tenant.id, tenant.uid)], (
        "no temporary copy is left"
    )


async def test_a_slow_fill_does_not_discard_reservations(redis: TenantRedis, redis_client: Any) -> None:
    tenant, listed = make_new_tenant(documents=2, storage="1Mi"), asyncio.Event()

    async def list_slowly() -> Mapping[str, int]:
        await listed.wait()
        return {}

    slow = asyncio.create_task(StorageQuota(redis).reserve(tenant, "slow", 100, list_slowly))
    await asyncio.sleep(0.05)
    await StorageQuota(redis).reserve(tenant, "quick", 100, Listing())
    listed.set()
    await slow
    assert await get_stored_bytes(redis_client, tenant) == 200
    assert not await try_reserve(StorageQuota(redis), tenant, "third", 100, Listing())


async def test_a_released_document_frees_quota(quota: StorageQuota, redis_client: Any) -> None:
    tenant, listing = make_new_tenant(documents=1, storage="1Ki"), Listing(a=1000)
    assert not await try_reserve(quota, tenant, "b", 1000, listing)
    for _ in range(2):
        await quota.release(tenant, "a")
    assert await get_stored_bytes(redis_client, tenant) == 0
    assert await try_reserve(quota, tenant, "b", 1000, listing)


async def test_releasing_without_a_copy_creates_no_copy(quota: StorageQuota, redis_client: Any) -> None:
    tenant = make_new_tenant()
    await quota.release(tenant, "a")
    assert not await redis_client.exists(build_storage_quota_key(tenant.id, tenant.uid))


async def test_the_copy_expires_fifteen_minutes_after_it_was_filled(
    quota: StorageQuota, redis_client: Any
) -> None:
    tenant, listing = make_new_tenant(documents=10, storage="1Ki"), Listing(a=1)
    await quota.reserve(tenant, "b", 1, listing)
    assert 890 <= await redis_client.ttl(build_storage_quota_key(tenant.id, tenant.uid)) <= 900
    await redis_client.expire(build_storage_quota_key(tenant.id, tenant.uid), 1)
    await quota.reserve(tenant, "c", 1, listing)
    await quota.release(tenant, "c")
    assert await redis_client.ttl(build_storage_quota_key(tenant.id, tenant.uid)) <= 1
    await redis_client.delete(build_storage_quota_key(tenant.id, tenant.uid))
    listing.sizes = {"x": 1024}
    assert not await try_reserve(quota, tenant, "b", 1, listing)
    assert listing.calls == 2


async def test_the_documents_of_an_empty_tenant_are_listed_once(quota: StorageQuota) -> None:
    tenant, listing = make_new_tenant(documents=10, storage="1Ki"), Listing()
    for number in range(3):
        assert await try_reserve(quota, tenant, f"d{number}", 1, listing)
    assert listing.calls == 1


async def test_no_document_id_can_overwrite_the_total(quota: StorageQuota, redis_client: Any) -> None:
    tenant, listing = make_new_tenant(documents=10, storage="1Ki"), Listing(bytes=7)
    assert await try_reserve(quota, tenant, "bytes", 9, listing)
    assert await get_stored_bytes(redis_client, tenant) == 9


async def test_many_documents_are_filled_in_batches(quota: StorageQuota, redis_client: Any) -> None:
    listing = Listing(**{f"d{number}": 2 for number in range(2 * BATCH_SIZE + 1)})
    tenant = make_new_tenant(documents=2 * BATCH_SIZE + 2, storage="1Mi")
    assert await try_reserve(quota, tenant, "one-more", 1, listing)
    assert not await try_reserve(quota, tenant, "too-many", 1, listing)
    assert await get_stored_bytes(redis_client, tenant) == 4 * BATCH_SIZE + 3


async def test_sizes_beyond_four_gibibytes_are_counted_to_the_byte(
    quota: StorageQuota, redis_client: Any
) -> None:
    tenant, listing = make_new_tenant(documents=10, storage="5Pi"), Listing(a=2**52 + 1)
    assert await try_reserve(quota, tenant, "b", 2**40 + 1, listing)
    assert await get_stored_bytes(redis_client, tenant) == 2**52 + 2**40 + 2


async def test_tenants_never_share_a_quota(quota: StorageQuota) -> None:
    one, other = make_new_tenant(documents=1), make_new_tenant(documents=1)
    assert await try_reserve(quota, one, "a", 1, Listing())
    assert await try_reserve(quota, other, "a", 1, Listing())


async def test_without_redis_reserving_fails() -> None:
    redis, listing = TenantRedis(SecretStr("redis://127.0.0.1:9")), Listing()
    with pytest.raises(LimitsUnavailable):
        await StorageQuota(redis).reserve(make_new_tenant(), "a", 1, listing)
    assert listing.calls == 0
    await redis.close()
