"""Tests of the index write fence when Redis or the write fails. See also tests/integration/gateway/cache."""

import asyncio

import pytest
from gateway import index_fence
from gateway.index_fence import IndexWriteFence
from servicekit.errors import BackendRefused, BackendUnavailable

from tests.support.fakes.limits import FakeRedis, make_unavailable_redis
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta")


def has_ended(redis: FakeRedis) -> bool:
    return any("ZREM" in str(sent) for sent in redis.sent)


async def test_the_start_and_end_of_a_write_are_recorded() -> None:
    redis = FakeRedis(None)
    async with IndexWriteFence(redis.cast_to_real_class()).fence_write(TENANT):
        ((answers, changing, change, seconds),) = redis.sent
    assert (answers, changing, seconds) == (
        "tenant-tenanta:uid-tenanta:answers",
        "tenant-tenanta:uid-tenanta:changes",
        900,
    )
    assert redis.sent[1] == (("UNLINK", answers), ("ZREM", changing, change))


async def test_nothing_is_written_if_the_start_cannot_be_recorded() -> None:
    with pytest.raises(BackendUnavailable):
        async with IndexWriteFence(make_unavailable_redis().cast_to_real_class()).fence_write(TENANT):
            pytest.fail("the block ran")


async def test_the_end_of_a_failed_write_is_not_recorded() -> None:
    """Qdrant may still execute the write."""
    redis = FakeRedis(None)
    with pytest.raises(BackendRefused):
        async with IndexWriteFence(redis.cast_to_real_class()).fence_write(TENANT):
            raise BackendRefused("qdrant", "upsert", "refused")
    assert not has_ended(redis)


async def test_a_write_whose_end_cannot_be_recorded_succeeds() -> None:
    redis = FakeRedis(None)
    async with IndexWriteFence(redis.cast_to_real_class()).fence_write(TENANT):
        redis.answer = BackendUnavailable("redis", "end-index-write", "gone")
    assert has_ended(redis), "the write was tried"


async def test_a_write_has_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the entry of the write could expire during the write."""
    monkeypatch.setattr(index_fence, "WRITE_TIMEOUT_SECONDS", 0)
    redis = FakeRedis(None)
    with pytest.raises(BackendUnavailable, match="more than 0 seconds"):
        async with IndexWriteFence(redis.cast_to_real_class()).fence_write(TENANT), asyncio.timeout(5):
            await asyncio.Event().wait()
    assert not has_ended(redis)
    assert index_fence.FENCE_TTL_SECONDS > 600


async def test_a_timeout_inside_the_block_is_not_a_timeout_of_the_write() -> None:
    with pytest.raises(TimeoutError):
        async with IndexWriteFence(FakeRedis(None).cast_to_real_class()).fence_write(TENANT):
            raise TimeoutError
