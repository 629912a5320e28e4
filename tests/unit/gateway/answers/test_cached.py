"""Which answers are given again, to which question, and which are never kept."""

from dataclasses import replace
from typing import Any

import pytest
from gateway.answers.cache import Outcome
from gateway.answers.cached import CachedAnswers, Reuse
from gateway.answers.sanitizer import AnswerFormat
from gateway.answers.service import Answer, AnswerService, Question
from gateway.bedrock import Turn
from gateway.limits.usage import Counts
from gateway.models import Chunk, Document
from gateway.problems import PersonaMissing
from gateway.retrieval.service import RetrievalService
from gateway.timings import Stages
from servicekit.errors import RemoteUnavailable
from tenancy.model import Tenant

from tests.support.answers import FakeAnswerCache
from tests.support.backends import STORED_AT, FakeBedrock, FakeVectors
from tests.support.index_writes import publish
from tests.support.limits import FakeBudget, FakeUsage, make_ledger, metric
from tests.support.tenants import tenant_manifest

BUDGET = "The marketing budget for 2026 is $5,000,000."
SAYS = "It is $5,000,000 [cite:1]."
ASKED = Question("What is the budget?", "finance")


def tenant(uid: str = "uid-1", tenant_id: str = "tenanta", **spec: Any) -> Tenant:
    manifest = tenant_manifest(tenant_id, **{"personas": [{"id": "finance"}, {"id": "hr"}], **spec})
    manifest["metadata"]["uid"] = uid
    return Tenant.from_object(manifest)


class World:
    """Answers over fakes; ``settings`` are those of the gateway."""

    def __init__(self) -> None:
        self.bedrock, self.vectors, self.cache = FakeBedrock(), FakeVectors(), FakeAnswerCache()
        self.budget, self.usage = FakeBudget(), FakeUsage()
        self.bedrock.says = SAYS
        self.answers = self.with_settings()

    def with_settings(self, **settings: Any) -> CachedAnswers:
        retrieval = RetrievalService(
            self.bedrock.as_adapter(), self.vectors.as_adapter(), self.usage.as_log()
        )
        defaults: dict[str, Any] = {
            "models": ["the-model", "the-second"],
            "max_tokens": 100,
            "history_tokens": 200,
            "context_tokens": 1000,
        }
        ledger = make_ledger(self.budget, self.usage)
        service = AnswerService(retrieval, self.bedrock.as_adapter(), ledger, **defaults | settings)
        return CachedAnswers(service, self.cache.as_cache(), self.usage.as_log())

    async def ask(
        self, question: Question = ASKED, of: Tenant | None = None, reuse: Reuse = Reuse.ALLOWED
    ) -> tuple[Outcome, Answer]:
        who = of or tenant()
        look = await self.answers.look(who, question, reuse)
        return look.outcome, await self.answers.answer(who, question, look, Stages())

    async def stream(self, question: Question = ASKED) -> list[str | Answer]:
        look = await self.answers.look(tenant(), question, Reuse.ALLOWED)
        return [piece async for piece in self.answers.stream(tenant(), question, look, Stages())]


@pytest.fixture
async def world() -> World:
    world = World()
    document = Document("finance", "d", "budget.md", "0", STORED_AT)
    for who in (tenant(), tenant(tenant_id="tenantb")):
        await publish(world.vectors, who, document, [Chunk(BUDGET, 4)], await world.bedrock.embed([BUDGET]))
    return world


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_the_same_question_is_answered_once(world: World, stream: bool) -> None:
    if stream:
        first = (await world.stream())[-1]
    else:
        _, first = await world.ask()
    assert isinstance(first, Answer)
    searched, used, before = (
        len(world.vectors.asked),
        len(world.usage.recorded),
        metric("tenantry_gateway_answer_cache_total", outcome="hit"),
    )
    outcome, again = await world.ask()
    assert outcome is Outcome.HIT
    assert (again.text, again.citations, again.model) == (first.text, first.citations, first.model)
    assert await world.stream() == [again.text, again]
    assert len(world.bedrock.asked) == 1
    assert len(world.vectors.asked) == searched
    assert world.budget.reserved == world.budget.reserved[:1], "a hit reserves nothing"
    hit = ("tenanta", "finance", "the-model", Counts(cached_answers=1))
    assert world.usage.recorded[used:] == [hit, hit], "and embeds nothing"
    assert metric("tenantry_gateway_answer_cache_total", outcome="hit") == before + 2


@pytest.mark.parametrize(
    "question",
    ["what is THE budget?", " What\tis \n the budget ?", "What is the budget", "What is the budget\uff1f"],
)
async def test_case_spacing_and_a_question_mark_make_no_other_question(world: World, question: str) -> None:
    await world.ask()
    assert (await world.ask(Question(question, "finance")))[0] is Outcome.HIT


async def test_an_accent_is_the_same_however_it_is_typed(world: World) -> None:
    await world.ask(Question("Budget f\u00fcr 2026?", "finance"))
    assert (await world.ask(Question("Budget fu\u0308r 2026?", "finance")))[0] is Outcome.HIT


@pytest.mark.parametrize(
    ("one", "other"),
    [("What is 5²?", "What is 52?"), ("Welche Maße?", "Welche Masse?"), ("Budget 2026?", "Budget 2025?")],
)
async def test_other_words_are_another_question(world: World, one: str, other: str) -> None:
    await world.ask(Question(one, "finance"))
    assert (await world.ask(Question(other, "finance")))[0] is Outcome.MISS


OTHERS = {
    "another tenant": tenant(tenant_id="tenantb"),
    "a tenant made again under its name": tenant(uid="uid-2"),
    "another model": tenant(model={"chat": "its-own"}),
    "a guardrail": tenant(model={"guardrail": {"id": "g1", "version": "1"}}),
    "the guardrail's next version": tenant(model={"guardrail": {"id": "g1", "version": "2"}}),
    "instructions": tenant(personas=[{"id": "finance", "instructions": "Be brief."}]),
    "more passages": tenant(retrieval={"topK": 5}),
    "a threshold": tenant(retrieval={"scoreThreshold": 0.1}),
    "another mode": tenant(retrieval={"mode": "dense"}),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_whatever_else_a_tenant_says_leads_to_another_answer(world: World, other: Tenant) -> None:
    for each in (tenant(), *OTHERS.values()):
        if each is not other:
            await world.ask(of=each)
    assert (await world.ask(of=other))[0] is Outcome.MISS
    assert (await world.ask(of=other))[0] is Outcome.HIT


@pytest.mark.parametrize(
    "settings",
    [{"models": ["another"]}, {"max_tokens": 99}, {"context_tokens": 999}],
    ids=["default-model", "answer-tokens", "context-tokens"],
)
async def test_so_does_a_setting_of_the_gateway(world: World, settings: dict[str, Any]) -> None:
    await world.ask()
    world.answers = world.with_settings(**settings)
    assert (await world.ask())[0] is Outcome.MISS


async def test_so_does_another_embedding(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.ask()
    monkeypatch.setattr(FakeBedrock, "embedding_model", "another")
    assert (await world.ask())[0] is Outcome.MISS


async def test_so_does_a_persona(world: World) -> None:
    await world.ask()
    for persona_id in ("hr", None):
        assert (await world.ask(Question(ASKED.text, persona_id)))[0] is Outcome.MISS


async def test_so_does_another_format(world: World) -> None:
    """What is safe for a program that shows text is not for a chat."""
    await world.ask()
    for_chat = replace(ASKED, answer_format=AnswerFormat.MARKDOWN)
    for expected in (Outcome.MISS, Outcome.HIT):
        outcome, answer = await world.ask(for_chat)
        assert (outcome, answer.answer_format) == (expected, AnswerFormat.MARKDOWN)


async def test_a_persona_that_is_gone_answers_nothing_any_more(world: World) -> None:
    await world.ask()
    with pytest.raises(PersonaMissing):
        await world.ask(of=tenant(personas=[{"id": "hr"}]))


async def test_a_question_with_a_history_is_neither_looked_for_nor_kept(world: World) -> None:
    question = Question(ASKED.text, "finance", [Turn("user", "Hello."), Turn("assistant", "Hello.")])
    assert (await world.ask(question))[0] is Outcome.BYPASS
    assert not world.cache.asked
    assert not world.cache.kept


async def test_a_tenant_that_wants_no_cache_has_none(world: World) -> None:
    for _ in range(2):
        assert (await world.ask(of=tenant(model={"cacheAnswers": False})))[0] is Outcome.BYPASS
    assert not world.cache.asked
    assert not world.cache.kept


async def test_no_cache_answers_anew_for_everybody(world: World) -> None:
    await world.ask()
    world.bedrock.says = "It is five million [cite:1]."
    outcome, anew = await world.ask(reuse=Reuse.ANEW)
    assert (outcome, anew.text, anew.cached) == (Outcome.BYPASS, "It is five million [1].", False)
    assert (await world.ask())[1].text == anew.text


async def test_no_store_answers_anew_and_leaves_what_is_kept(world: World) -> None:
    _, first = await world.ask()
    world.bedrock.says = "It is five million [cite:1]."
    outcome, anew = await world.ask(reuse=Reuse.FORBIDDEN)
    assert (outcome, anew.text) == (Outcome.BYPASS, "It is five million [1].")
    assert (await world.ask())[1].text == first.text


async def test_what_cites_nothing_is_not_kept(world: World) -> None:
    """Who asks again shall have another chance."""
    world.bedrock.says = "The passages do not say."
    await world.ask()
    await world.ask(Question(ASKED.text, "hr"))
    assert not world.cache.kept


async def test_what_another_model_said_is_not_kept(world: World) -> None:
    world.bedrock.busy = {"the-model"}
    assert (await world.ask())[1].model == "the-second"
    assert not world.cache.kept


async def test_an_answer_that_ran_into_its_limit_is_not_kept(world: World) -> None:
    world.answers = world.with_settings(max_tokens=3)
    assert (await world.ask())[1].output_tokens == 3
    assert not world.cache.kept


async def test_a_stream_that_broke_is_not_kept(world: World) -> None:
    world.bedrock.breaks_before = "$5"
    with pytest.raises(RemoteUnavailable):
        await world.stream()
    assert not world.cache.kept


async def test_a_stream_that_somebody_left_is_not_kept(world: World) -> None:
    look = await world.answers.look(tenant(), ASKED, Reuse.ALLOWED)
    stream = world.answers.stream(tenant(), ASKED, look, Stages())
    await anext(stream)
    await stream.aclose()
    assert not world.cache.kept
    assert world.budget.settled, "what came is paid"


@pytest.mark.parametrize("reuse", [Reuse.ALLOWED, Reuse.ANEW])
async def test_without_the_cache_questions_are_answered(world: World, reuse: Reuse) -> None:
    world.cache.away = True
    before = metric("tenantry_gateway_answer_cache_total", outcome="unavailable")
    assert (await world.ask(reuse=reuse))[1].grounded
    assert metric("tenantry_gateway_answer_cache_total", outcome="unavailable") == before + 1
