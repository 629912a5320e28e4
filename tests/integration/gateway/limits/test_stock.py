"""Documents and bytes, counted by the real Redis from a listing that the test makes up."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from gateway.limits.storage_quota import BATCH, Stock
from gateway.problems import LimitsUnavailable, QuotaExceeded
from gateway.redis import TenantRedis
from pydantic import SecretStr
from tenancy.model import Tenant
from tenancy.names import document_sizes_key

from .conftest import new_tenant


class Listing:
    """What is stored, and how often somebody looked."""

    def __init__(self, **sizes: int) -> None:
        self.sizes: dict[str, int] = sizes
        self.asked = 0

    async def __call__(self) -> Mapping[str, int]:
        self.asked += 1
        await asyncio.sleep(0.01)
        return dict(self.sizes)


@pytest.fixture
def stock(redis: TenantRedis) -> Stock:
    return Stock(redis)


async def admitted(stock: Stock, tenant: Tenant, document_id: str, size: int, listing: Listing) -> bool:
    try:
        await stock.admit(tenant, document_id, size, listing)
    except QuotaExceeded:
        return False
    return True


async def bytes_of(raw: Any, tenant: Tenant) -> int:
    """Return the sum that is kept, after it was compared with what is kept of each document."""
    stored = await raw.hgetall(document_sizes_key(tenant.id, tenant.uid))
    total = int(stored.pop("bytes"))
    assert total == sum(map(int, stored.values()))
    return total


async def test_what_is_stored_already_counts(stock: Stock) -> None:
    tenant, listing = new_tenant(documents=3, storage="1Ki"), Listing(a=100, b=200)
    assert await admitted(stock, tenant, "c", 724, listing)
    with pytest.raises(QuotaExceeded) as refused:
        await stock.admit(tenant, "d", 0, listing)
    assert refused.value.extensions == {"quota": "documents", "limit": 3, "used": 3}
    assert listing.asked == 1


async def test_bytes_have_a_limit_of_their_own(stock: Stock, raw: Any) -> None:
    tenant, listing = new_tenant(documents=100, storage="1Ki"), Listing(a=1000)
    with pytest.raises(QuotaExceeded) as refused:
        await stock.admit(tenant, "b", 25, listing)
    assert refused.value.extensions == {"quota": "storage", "limit": 1024, "used": 1000}
    assert await bytes_of(raw, tenant) == 1000
    assert await admitted(stock, tenant, "b", 24, listing)


async def test_a_replacement_counts_only_the_difference(stock: Stock, raw: Any) -> None:
    tenant, listing = new_tenant(documents=1, storage="1Ki"), Listing(a=1000)
    assert await admitted(stock, tenant, "a", 1024, listing)
    assert not await admitted(stock, tenant, "a", 1025, listing)
    assert await admitted(stock, tenant, "a", 10, listing)
    assert await bytes_of(raw, tenant) == 10


async def test_a_document_may_shrink_where_a_lowered_quota_is_exceeded(stock: Stock, raw: Any) -> None:
    tenant, listing = new_tenant(documents=1, storage="1Ki"), Listing(a=5000, b=5000)
    assert not await admitted(stock, tenant, "a", 5001, listing)
    assert await admitted(stock, tenant, "a", 4000, listing)
    assert await bytes_of(raw, tenant) == 9000


async def test_fifty_uploads_at_once_take_no_more_room_than_there_is(stock: Stock, raw: Any) -> None:
    tenant, listing = new_tenant(documents=40, storage="1Ki"), Listing(old=24)
    took = await asyncio.gather(*(admitted(stock, tenant, f"d{n}", 100, listing) for n in range(50)))
    assert sum(took) == 10
    assert await bytes_of(raw, tenant) == 1024
    assert listing.asked == 1, "one listing for all who wait"


async def test_two_gateways_that_fill_at_once_do_not_count_twice(redis: TenantRedis, raw: Any) -> None:
    tenant, listing = new_tenant(documents=1000, storage="1Mi"), Listing(old=24)
    gateways = [Stock(redis) for _ in range(8)]
    took = await asyncio.gather(
        *(admitted(each, tenant, f"d{n}", 100, listing) for n, each in enumerate(gateways))
    )
    assert all(took)
    assert await bytes_of(raw, tenant) == 824
    assert await raw.keys(f"{tenant.key}:*") == [document_sizes_key(tenant.id, tenant.uid)], "no copy is left"


async def test_a_slow_filling_does_not_undo_what_was_admitted_meanwhile(redis: TenantRedis, raw: Any) -> None:
    tenant, listed = new_tenant(documents=2, storage="1Mi"), asyncio.Event()

    async def list_slowly() -> Mapping[str, int]:
        await listed.wait()
        return {}

    slow = asyncio.create_task(Stock(redis).admit(tenant, "slow", 100, list_slowly))
    await asyncio.sleep(0.05)
    await Stock(redis).admit(tenant, "quick", 100, Listing())
    listed.set()
    await slow
    assert await bytes_of(raw, tenant) == 200
    assert not await admitted(Stock(redis), tenant, "third", 100, Listing())


async def test_a_forgotten_document_makes_room(stock: Stock, raw: Any) -> None:
    tenant, listing = new_tenant(documents=1, storage="1Ki"), Listing(a=1000)
    assert not await admitted(stock, tenant, "b", 1000, listing)
    for _ in range(2):
        await stock.forget(tenant, "a")
    assert await bytes_of(raw, tenant) == 0
    assert await admitted(stock, tenant, "b", 1000, listing)


async def test_forgetting_where_there_is_no_copy_makes_none(stock: Stock, raw: Any) -> None:
    tenant = new_tenant()
    await stock.forget(tenant, "a")
    assert not await raw.exists(document_sizes_key(tenant.id, tenant.uid))


async def test_a_copy_lives_fifteen_minutes_however_often_it_is_used(stock: Stock, raw: Any) -> None:
    tenant, listing = new_tenant(documents=10, storage="1Ki"), Listing(a=1)
    await stock.admit(tenant, "b", 1, listing)
    assert 890 <= await raw.ttl(document_sizes_key(tenant.id, tenant.uid)) <= 900
    await raw.expire(document_sizes_key(tenant.id, tenant.uid), 1)
    await stock.admit(tenant, "c", 1, listing)
    await stock.forget(tenant, "c")
    assert await raw.ttl(document_sizes_key(tenant.id, tenant.uid)) <= 1
    await raw.delete(document_sizes_key(tenant.id, tenant.uid))
    listing.sizes = {"x": 1024}
    assert not await admitted(stock, tenant, "b", 1, listing)
    assert listing.asked == 2


async def test_an_empty_tenant_is_listed_once(stock: Stock) -> None:
    tenant, listing = new_tenant(documents=10, storage="1Ki"), Listing()
    for number in range(3):
        assert await admitted(stock, tenant, f"d{number}", 1, listing)
    assert listing.asked == 1


async def test_no_document_id_can_touch_the_sum(stock: Stock, raw: Any) -> None:
    tenant, listing = new_tenant(documents=10, storage="1Ki"), Listing(bytes=7)
    assert await admitted(stock, tenant, "bytes", 9, listing)
    assert await bytes_of(raw, tenant) == 9


async def test_many_documents_are_filled_in_batches(stock: Stock, raw: Any) -> None:
    listing = Listing(**{f"d{number}": 2 for number in range(2 * BATCH + 1)})
    tenant = new_tenant(documents=2 * BATCH + 2, storage="1Mi")
    assert await admitted(stock, tenant, "one-more", 1, listing)
    assert not await admitted(stock, tenant, "too-many", 1, listing)
    assert await bytes_of(raw, tenant) == 4 * BATCH + 3


async def test_sizes_beyond_four_gibibytes_are_counted_to_the_byte(stock: Stock, raw: Any) -> None:
    tenant, listing = new_tenant(documents=10, storage="5Pi"), Listing(a=2**52 + 1)
    assert await admitted(stock, tenant, "b", 2**40 + 1, listing)
    assert await bytes_of(raw, tenant) == 2**52 + 2**40 + 2


async def test_tenants_never_share_a_stock(stock: Stock) -> None:
    one, other = new_tenant(documents=1), new_tenant(documents=1)
    assert await admitted(stock, one, "a", 1, Listing())
    assert await admitted(stock, other, "a", 1, Listing())


async def test_a_redis_that_is_gone_admits_nothing() -> None:
    redis, listing = TenantRedis(SecretStr("redis://127.0.0.1:9")), Listing()
    with pytest.raises(LimitsUnavailable):
        await Stock(redis).admit(new_tenant(), "a", 1, listing)
    assert listing.asked == 0
    await redis.close()
