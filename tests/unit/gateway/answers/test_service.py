"""Answers, from question to citations, with a model that says what the test wants."""

import pytest
from gateway.answers.service import NOTHING_FOUND, AnswerService
from gateway.models import Chunk, Document
from gateway.problems import PersonaMissing
from gateway.retrieval.service import RetrievalService
from gateway.stages import Stages
from tenancy.model import Guardrail

from tests.support.backends import STORED_AT, FakeBedrock, FakeVectors
from tests.support.tenants import make_tenant

BUDGET = "The marketing budget for 2026 is $5,000,000."
TENANT = make_tenant(
    "tenanta", personas=[{"id": "finance", "instructions": "Answer as the finance lead."}, {"id": "legal"}]
)


@pytest.fixture
def bedrock() -> FakeBedrock:
    return FakeBedrock()


@pytest.fixture
async def service(bedrock: FakeBedrock) -> AnswerService:
    vectors = FakeVectors()
    document = Document("finance", "d", "budget.md", "0", STORED_AT)
    await vectors.publish(TENANT, document, [Chunk(BUDGET, 4)], await bedrock.embed([BUDGET]))
    retrieval = RetrievalService(bedrock.as_adapter(), vectors.as_adapter())
    return AnswerService(retrieval, bedrock.as_adapter(), default_model="the-default", max_tokens=100)


async def test_an_answer_stands_on_what_it_cites(service: AnswerService, bedrock: FakeBedrock) -> None:
    bedrock.says = "It is $5,000,000 [1]."
    answer = await service.answer(TENANT, "What is the budget?", Stages())
    assert (answer.text, answer.grounded, answer.model) == ("It is $5,000,000 [1].", True, "the-default")
    assert (answer.input_tokens, answer.output_tokens) == (7, 3)
    (citation,) = answer.citations
    assert (citation.passage.filename, citation.passage.page, citation.snippet) == ("budget.md", 4, BUDGET)


async def test_an_answer_without_a_sound_marker_is_not_grounded(
    service: AnswerService, bedrock: FakeBedrock
) -> None:
    bedrock.says = "It is $9 [4]."
    answer = await service.answer(TENANT, "What is the budget?", Stages())
    assert (answer.text, answer.grounded, answer.citations) == ("It is $9.", False, [])


async def test_no_passage_means_no_model(service: AnswerService, bedrock: FakeBedrock) -> None:
    answer = await service.answer(make_tenant("tenantb"), "What is the budget?", Stages())
    assert (answer.text, answer.grounded, answer.output_tokens) == (NOTHING_FOUND, False, 0)
    assert not bedrock.asked


async def test_a_persona_answers_from_its_own_documents_in_its_own_voice(
    service: AnswerService, bedrock: FakeBedrock
) -> None:
    await service.answer(TENANT, "budget?", Stages(), persona_id="finance")
    assert bedrock.asked[0]["system"].startswith("Answer as the finance lead.")
    answer = await service.answer(TENANT, "budget?", Stages(), persona_id="legal")
    assert answer.text == NOTHING_FOUND


async def test_an_unknown_persona_is_refused(service: AnswerService) -> None:
    with pytest.raises(PersonaMissing):
        await service.answer(TENANT, "budget?", Stages(), persona_id="nobody")


async def test_the_tenants_own_model_and_guardrail_are_used_in_its_name(bedrock: FakeBedrock) -> None:
    tenant = make_tenant("tenanta", model={"chat": "its-own", "guardrail": {"id": "g1", "version": "2"}})
    vectors = FakeVectors()
    await vectors.publish(
        tenant,
        Document("finance", "d", "a.md", "0", STORED_AT),
        [Chunk(BUDGET)],
        await bedrock.embed([BUDGET]),
    )
    retrieval = RetrievalService(bedrock.as_adapter(), vectors.as_adapter())
    service = AnswerService(retrieval, bedrock.as_adapter(), default_model="the-default", max_tokens=100)
    await service.answer(tenant, "budget?", Stages())
    (asked,) = bedrock.asked
    assert (asked["model"], asked["tenant_key"]) == ("its-own", "tenant-tenanta")
    assert asked["guardrail"] == Guardrail(id="g1", version="2")
