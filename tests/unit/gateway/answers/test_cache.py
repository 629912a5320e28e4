"""The cache when Redis is away or holds what nobody can read. The rest: tests/integration/gateway/cache."""

import pytest
from gateway.answers.cache import ANSWER_BYTES, ANSWERS, AnswerCache, Look, Outcome, Slot, digest
from gateway.answers.citations import Citation
from gateway.answers.service import Answer
from gateway.index_fence import fence_keys
from structlog.testing import capture_logs

from tests.support.limits import FakeRedis, redis_gone
from tests.support.tenants import make_tenant

TENANT = make_tenant("tenanta")
SLOT = Slot("d", "v1")
ANSWER = Answer("It is $5 [1].", "m", [Citation(1, "d", "a.md", 4, "It is $5.")], 7, 3)


def cache(redis: FakeRedis, seconds: int = 60) -> AnswerCache:
    return AnswerCache(redis.as_adapter(), seconds=seconds)


async def test_what_was_kept_comes_back_as_it_was() -> None:
    redis = FakeRedis(None)
    await cache(redis).keep(TENANT, SLOT, ANSWER)
    ((*own, name, version, text, most),) = redis.sent
    assert (own, name, version, most) == (fence_keys(TENANT), "d", "v1", ANSWERS)
    redis.answer = ["v1", text]
    assert await cache(redis).find(TENANT, "d") == Look(Outcome.HIT, ANSWER, SLOT)
    *own, name, new_version, seconds = redis.sent[1]
    assert (own, name, seconds) == (fence_keys(TENANT), "d", 60)
    assert len(new_version) == 32


async def test_while_the_index_is_being_changed_nothing_is_found_and_nothing_may_be_kept() -> None:
    assert await cache(FakeRedis([None, None])).find(TENANT, "d") == Look(Outcome.BYPASS)


async def test_a_question_that_nobody_asked_may_be_kept_under_the_version_it_began_with() -> None:
    assert await cache(FakeRedis(["v1", None])).find(TENANT, "d") == Look(Outcome.MISS, slot=SLOT)


async def test_without_redis_questions_are_answered_anew() -> None:
    assert await cache(redis_gone()).find(TENANT, "d") == Look(Outcome.UNAVAILABLE)
    await cache(redis_gone()).keep(TENANT, SLOT, ANSWER)


@pytest.mark.parametrize(
    "kept", ["", "{", "[]", '{"text": "the secret"}', '{"text": 1, "model": "m"}', "null"]
)
async def test_what_cannot_be_read_is_answered_anew_replaced_and_not_shown_in_a_log(kept: str) -> None:
    with capture_logs() as logs:
        look = await cache(FakeRedis(["v1", kept or None])).find(TENANT, "d")
    assert look.answer is None
    assert look.slot == SLOT
    assert look.outcome is (Outcome.UNAVAILABLE if kept else Outcome.MISS)
    assert len(logs) == bool(kept)
    assert "the secret" not in str(logs)


async def test_a_cache_that_is_off_is_not_asked() -> None:
    redis = FakeRedis(None)
    assert await cache(redis, seconds=0).find(TENANT, "d") == Look(Outcome.BYPASS)
    assert not redis.sent


async def test_an_answer_that_is_too_long_is_not_kept() -> None:
    redis = FakeRedis(None)
    await cache(redis).keep(TENANT, SLOT, Answer("", "m"))
    room = ANSWER_BYTES - len(redis.sent.pop()[-2])
    await cache(redis).keep(TENANT, SLOT, Answer("ä" * (room // 2) + "a" * (room % 2 + 1), "m"))
    assert not redis.sent
    await cache(redis).keep(TENANT, SLOT, Answer("ä" * (room // 2) + "a" * (room % 2), "m"))
    assert redis.sent


def test_a_digest_names_the_same_whatever_its_order() -> None:
    assert digest({"a": 1, "b": "2"}) == digest({"b": "2", "a": 1}) != digest({"a": 1, "b": 2})
