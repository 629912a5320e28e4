"""Tests of the answer cache without Redis; tests/integration/gateway/cache covers the scripts."""

import pytest
from gateway.answers.cache import (
    MAX_ANSWER_BYTES,
    MAX_ANSWERS,
    AnswerCache,
    CacheLookup,
    CacheOutcome,
    CacheSlot,
    build_cache_key,
)
from gateway.answers.citations import Citation
from gateway.answers.service import Answer
from gateway.index_fence import list_fence_keys
from structlog.testing import capture_logs

from tests.support.fakes.limits import FakeRedis, make_unavailable_redis
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta")
SLOT = CacheSlot("d", "v1")
ANSWER = Answer("It is $5 [1].", "m", [Citation(1, "d", "a.md", 4, "It is $5.")], 7, 3)


def make_cache(redis: FakeRedis, seconds: int = 60) -> AnswerCache:
    return AnswerCache(redis.cast_to_real_class(), seconds=seconds)


async def test_a_stored_answer_is_returned_unchanged() -> None:
    redis = FakeRedis(None)
    await make_cache(redis).put(TENANT, SLOT, ANSWER)
    ((*own, name, version, text, max_answers),) = redis.sent
    assert (own, name, version, max_answers) == (list_fence_keys(TENANT), "d", "v1", MAX_ANSWERS)
    redis.answer = ["v1", text]
    assert await make_cache(redis).get(TENANT, "d") == CacheLookup(CacheOutcome.HIT, ANSWER, SLOT)
    *own, name, new_version, seconds = redis.sent[1]
    assert (own, name, seconds) == (list_fence_keys(TENANT), "d", 60)
    assert len(new_version) == 32


async def test_during_a_change_of_the_index_the_cache_is_bypassed() -> None:
    assert await make_cache(FakeRedis([None, None])).get(TENANT, "d") == CacheLookup(CacheOutcome.BYPASS)


async def test_a_miss_returns_a_slot_with_the_version_of_the_index() -> None:
    assert await make_cache(FakeRedis(["v1", None])).get(TENANT, "d") == CacheLookup(
        CacheOutcome.MISS, slot=SLOT
    )


async def test_without_redis_the_cache_is_unavailable() -> None:
    assert await make_cache(make_unavailable_redis()).get(TENANT, "d") == CacheLookup(
        CacheOutcome.UNAVAILABLE
    )
    await make_cache(make_unavailable_redis()).put(TENANT, SLOT, ANSWER)


@pytest.mark.parametrize(
    "stored", ["", "{", "[]", '{"text": "the secret"}', '{"text": 1, "model": "m"}', "null"]
)
async def test_an_unreadable_answer_is_a_miss_and_does_not_appear_in_logs(stored: str) -> None:
    with capture_logs() as logs:
        lookup = await make_cache(FakeRedis(["v1", stored or None])).get(TENANT, "d")
    assert lookup.answer is None
    assert lookup.slot == SLOT
    assert lookup.outcome is (CacheOutcome.UNAVAILABLE if stored else CacheOutcome.MISS)
    assert len(logs) == bool(stored)
    assert "the secret" not in str(logs)


async def test_a_disabled_cache_does_not_call_redis() -> None:
    redis = FakeRedis(None)
    assert await make_cache(redis, seconds=0).get(TENANT, "d") == CacheLookup(CacheOutcome.BYPASS)
    assert not redis.sent


async def test_an_answer_above_the_size_limit_is_not_stored() -> None:
    redis = FakeRedis(None)
    await make_cache(redis).put(TENANT, SLOT, Answer("", "m"))
    room = MAX_ANSWER_BYTES - len(redis.sent.pop()[-2])
    await make_cache(redis).put(TENANT, SLOT, Answer("ä" * (room // 2) + "a" * (room % 2 + 1), "m"))
    assert not redis.sent
    await make_cache(redis).put(TENANT, SLOT, Answer("ä" * (room // 2) + "a" * (room % 2), "m"))
    assert redis.sent


def test_the_cache_key_does_not_depend_on_the_order_of_inputs() -> None:
    assert (
        build_cache_key({"a": 1, "b": "2"})
        == build_cache_key({"b": "2", "a": 1})
        != build_cache_key({"a": 1, "b": 2})
    )
