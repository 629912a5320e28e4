"""Tests of the cached answer service: cache hits, cache inputs and answers that are not stored."""

from dataclasses import replace
from typing import Any

import pytest
from gateway.answers.cache import CacheOutcome
from gateway.answers.cached_service import CachedAnswerService, CachePolicy
from gateway.answers.sanitizer import AnswerFormat
from gateway.answers.service import Answer, AnswerService, Question
from gateway.bedrock import Turn
from gateway.limits.usage import Counts
from gateway.models import Chunk, Document
from gateway.problems import PersonaMissing
from gateway.retrieval.service import RetrievalService
from gateway.timings import RequestTimings
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant

from tests.support.documents.index_writes import publish
from tests.support.fakes.answer_cache import FakeAnswerCache
from tests.support.fakes.backends import STORED_AT, FakeBedrock, FakeVectors
from tests.support.fakes.limits import FakeBudget, FakeUsage, get_metric, make_token_meter
from tests.support.tenants.manifests import make_tenant_manifest

BUDGET = "The marketing budget for 2026 is $5,000,000."
SAYS = "It is $5,000,000 [cite:1]."
ASKED = Question("What is the budget?", "finance")


def make_cached_tenant(uid: str = "uid-1", tenant_id: str = "tenanta", **spec: Any) -> Tenant:
    manifest = make_tenant_manifest(tenant_id, **{"personas": [{"id": "finance"}, {"id": "hr"}], **spec})
    manifest["metadata"]["uid"] = uid
    return Tenant.from_object(manifest)


class CachedAnswerHarness:
    """Cached answer service on fakes."""

    def __init__(self) -> None:
        self.bedrock, self.vectors, self.cache = FakeBedrock(), FakeVectors(), FakeAnswerCache()
        self.budget, self.usage = FakeBudget(), FakeUsage()
        self.bedrock.says = SAYS
        self.answers = self.make_service()

    def make_service(self, **settings: Any) -> CachedAnswerService:
        retrieval = RetrievalService(
            self.bedrock.cast_to_real_class(),
            self.vectors.cast_to_real_class(),
            self.usage.cast_to_real_class(),
        )
        defaults: dict[str, Any] = {
            "models": ["the-model", "the-second"],
            "max_tokens": 100,
            "history_tokens": 200,
            "context_tokens": 1000,
        }
        token_meter = make_token_meter(self.budget, self.usage)
        service = AnswerService(
            retrieval, self.bedrock.cast_to_real_class(), token_meter, **defaults | settings
        )
        return CachedAnswerService(service, self.cache.cast_to_real_class(), self.usage.cast_to_real_class())

    async def ask(
        self, question: Question = ASKED, of: Tenant | None = None, policy: CachePolicy = CachePolicy.DEFAULT
    ) -> tuple[CacheOutcome, Answer]:
        asking = of or make_cached_tenant()
        lookup = await self.answers.check_cache(asking, question, policy)
        return lookup.outcome, await self.answers.answer(asking, question, lookup, RequestTimings())

    async def stream(self, question: Question = ASKED) -> list[str | Answer]:
        lookup = await self.answers.check_cache(make_cached_tenant(), question, CachePolicy.DEFAULT)
        return [
            piece
            async for piece in self.answers.stream(make_cached_tenant(), question, lookup, RequestTimings())
        ]


@pytest.fixture
async def harness() -> CachedAnswerHarness:
    harness = CachedAnswerHarness()
    document = Document("finance", "d", "budget.md", "0", STORED_AT)
    for asking in (make_cached_tenant(), make_cached_tenant(tenant_id="tenantb")):
        await publish(
            harness.vectors,
            asking,
            document,
            [Chunk(BUDGET, 4)],
            await harness.bedrock.embed([BUDGET], tenant_key=asking.key),
        )
    return harness


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_repeated_question_is_answered_from_the_cache(
    harness: CachedAnswerHarness, stream: bool
) -> None:
    if stream:
        first = (await harness.stream())[-1]
    else:
        _, first = await harness.ask()
    assert isinstance(first, Answer)
    searched, used, before = (
        len(harness.vectors.searches),
        len(harness.usage.recorded),
        get_metric("tenantry_gateway_answer_cache_total", outcome="hit"),
    )
    outcome, again = await harness.ask()
    assert outcome is CacheOutcome.HIT
    assert (again.text, again.citations, again.model) == (first.text, first.citations, first.model)
    assert await harness.stream() == [again.text, again]
    assert len(harness.bedrock.prompts) == 1
    assert len(harness.vectors.searches) == searched
    assert harness.budget.reserved == harness.budget.reserved[:1], "a hit reserves nothing"
    hit = ("tenanta", "finance", "the-model", Counts(cached_answers=1))
    assert harness.usage.recorded[used:] == [hit, hit], "a hit embeds nothing"
    assert get_metric("tenantry_gateway_answer_cache_total", outcome="hit") == before + 2


@pytest.mark.parametrize(
    "question",
    ["what is THE budget?", " What\tis \n the budget ?", "What is the budget", "What is the budget\uff1f"],
)
async def test_case_spacing_and_question_marks_do_not_change_the_key(
    harness: CachedAnswerHarness, question: str
) -> None:
    await harness.ask()
    assert (await harness.ask(Question(question, "finance")))[0] is CacheOutcome.HIT


async def test_the_key_does_not_depend_on_unicode_composition(harness: CachedAnswerHarness) -> None:
    await harness.ask(Question("Budget f\u00fcr 2026?", "finance"))
    assert (await harness.ask(Question("Budget fu\u0308r 2026?", "finance")))[0] is CacheOutcome.HIT


@pytest.mark.parametrize(
    ("one", "other"),
    [("What is 5²?", "What is 52?"), ("Welche Maße?", "Welche Masse?"), ("Budget 2026?", "Budget 2025?")],
)
async def test_different_words_have_different_keys(
    harness: CachedAnswerHarness, one: str, other: str
) -> None:
    await harness.ask(Question(one, "finance"))
    assert (await harness.ask(Question(other, "finance")))[0] is CacheOutcome.MISS


OTHER_TENANTS = {
    "another tenant": make_cached_tenant(tenant_id="tenantb"),
    "a recreated tenant of the same name": make_cached_tenant(uid="uid-2"),
    "another model": make_cached_tenant(model={"chat": "its-own"}),
    "a guardrail": make_cached_tenant(model={"guardrail": {"id": "g1", "version": "1"}}),
    "the guardrail's next version": make_cached_tenant(model={"guardrail": {"id": "g1", "version": "2"}}),
    "instructions": make_cached_tenant(personas=[{"id": "finance", "instructions": "Be brief."}]),
    "more passages": make_cached_tenant(retrieval={"topK": 5}),
    "a threshold": make_cached_tenant(retrieval={"scoreThreshold": 0.1}),
    "another mode": make_cached_tenant(retrieval={"mode": "dense"}),
}


@pytest.mark.parametrize("other", OTHER_TENANTS.values(), ids=OTHER_TENANTS)
async def test_each_field_of_the_tenant_that_affects_answers_changes_the_key(
    harness: CachedAnswerHarness, other: Tenant
) -> None:
    for tenant in (make_cached_tenant(), *OTHER_TENANTS.values()):
        if tenant is not other:
            await harness.ask(of=tenant)
    assert (await harness.ask(of=other))[0] is CacheOutcome.MISS
    assert (await harness.ask(of=other))[0] is CacheOutcome.HIT


@pytest.mark.parametrize(
    "settings",
    [{"models": ["another"]}, {"max_tokens": 99}, {"context_tokens": 999}],
    ids=["default-model", "answer-tokens", "context-tokens"],
)
async def test_settings_of_the_gateway_change_the_key(
    harness: CachedAnswerHarness, settings: dict[str, Any]
) -> None:
    await harness.ask()
    harness.answers = harness.make_service(**settings)
    assert (await harness.ask())[0] is CacheOutcome.MISS


async def test_the_embedding_model_changes_the_key(
    harness: CachedAnswerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.ask()
    monkeypatch.setattr(FakeBedrock, "embedding_model", "another")
    assert (await harness.ask())[0] is CacheOutcome.MISS


async def test_the_persona_changes_the_key(harness: CachedAnswerHarness) -> None:
    await harness.ask()
    for persona_id in ("hr", None):
        assert (await harness.ask(Question(ASKED.text, persona_id)))[0] is CacheOutcome.MISS


async def test_the_answer_format_changes_the_key(harness: CachedAnswerHarness) -> None:
    """A text that is safe in one format may be unsafe in the other."""
    await harness.ask()
    for_chat = replace(ASKED, answer_format=AnswerFormat.MARKDOWN)
    for expected in (CacheOutcome.MISS, CacheOutcome.HIT):
        outcome, answer = await harness.ask(for_chat)
        assert (outcome, answer.answer_format) == (expected, AnswerFormat.MARKDOWN)


async def test_a_removed_persona_is_refused_despite_a_cached_answer(harness: CachedAnswerHarness) -> None:
    await harness.ask()
    with pytest.raises(PersonaMissing):
        await harness.ask(of=make_cached_tenant(personas=[{"id": "hr"}]))


async def test_a_question_with_a_history_bypasses_the_cache(harness: CachedAnswerHarness) -> None:
    question = Question(ASKED.text, "finance", [Turn("user", "Hello."), Turn("assistant", "Hello.")])
    assert (await harness.ask(question))[0] is CacheOutcome.BYPASS
    assert not harness.cache.requested
    assert not harness.cache.stored


async def test_a_tenant_can_disable_the_cache(harness: CachedAnswerHarness) -> None:
    for _ in range(2):
        assert (await harness.ask(of=make_cached_tenant(model={"cacheAnswers": False})))[
            0
        ] is CacheOutcome.BYPASS
    assert not harness.cache.requested
    assert not harness.cache.stored


async def test_no_cache_replaces_the_cached_answer(harness: CachedAnswerHarness) -> None:
    await harness.ask()
    harness.bedrock.says = "It is five million [cite:1]."
    outcome, refreshed = await harness.ask(policy=CachePolicy.REFRESH)
    assert (outcome, refreshed.text, refreshed.cached) == (
        CacheOutcome.BYPASS,
        "It is five million [1].",
        False,
    )
    assert (await harness.ask())[1].text == refreshed.text


async def test_no_store_leaves_the_cached_answer(harness: CachedAnswerHarness) -> None:
    _, first = await harness.ask()
    harness.bedrock.says = "It is five million [cite:1]."
    outcome, refreshed = await harness.ask(policy=CachePolicy.NO_STORE)
    assert (outcome, refreshed.text) == (CacheOutcome.BYPASS, "It is five million [1].")
    assert (await harness.ask())[1].text == first.text


async def test_an_answer_without_citations_is_not_stored(harness: CachedAnswerHarness) -> None:
    """So a repeated question calls the model again."""
    harness.bedrock.says = "The passages do not say."
    await harness.ask()
    await harness.ask(Question(ASKED.text, "hr"))
    assert not harness.cache.stored


async def test_an_answer_of_a_fallback_model_is_not_stored(harness: CachedAnswerHarness) -> None:
    harness.bedrock.busy = {"the-model"}
    assert (await harness.ask())[1].model == "the-second"
    assert not harness.cache.stored


async def test_an_answer_at_the_token_limit_is_not_stored(harness: CachedAnswerHarness) -> None:
    harness.answers = harness.make_service(max_tokens=3)
    assert (await harness.ask())[1].output_tokens == 3
    assert not harness.cache.stored


async def test_a_failed_stream_is_not_stored(harness: CachedAnswerHarness) -> None:
    harness.bedrock.breaks_before = "$5"
    with pytest.raises(BackendUnavailable):
        await harness.stream()
    assert not harness.cache.stored


async def test_a_stream_that_the_caller_closed_is_not_stored(harness: CachedAnswerHarness) -> None:
    lookup = await harness.answers.check_cache(make_cached_tenant(), ASKED, CachePolicy.DEFAULT)
    stream = harness.answers.stream(make_cached_tenant(), ASKED, lookup, RequestTimings())
    await anext(stream)
    await stream.aclose()
    assert not harness.cache.stored
    assert harness.budget.settled, "the received tokens are settled"


@pytest.mark.parametrize("policy", [CachePolicy.DEFAULT, CachePolicy.REFRESH])
async def test_without_the_cache_questions_are_still_answered(
    harness: CachedAnswerHarness, policy: CachePolicy
) -> None:
    harness.cache.unavailable = True
    before = get_metric("tenantry_gateway_answer_cache_total", outcome="unavailable")
    assert (await harness.ask(policy=policy))[1].grounded
    assert get_metric("tenantry_gateway_answer_cache_total", outcome="unavailable") == before + 1
