"""Tests of the answer service on fakes: prompts, citations, budget and fallbacks."""

import pytest
from gateway.answers.sanitizer import AnswerFormat
from gateway.answers.service import NOTHING_FOUND, Answer, AnswerService, Question
from gateway.bedrock import Turn
from gateway.limits.usage import Counts
from gateway.models import Chunk, Document
from gateway.problems import BudgetExhausted, PersonaMissing
from gateway.retrieval.service import RetrievalService
from gateway.timings import RequestTimings
from servicekit.errors import BackendUnavailable
from tenancy.model import Guardrail

from tests.support.documents.index_writes import publish
from tests.support.fakes.backends import STORED_AT, FakeBedrock, FakeVectors
from tests.support.fakes.limits import FakeBudget, FakeUsage, make_token_meter
from tests.support.tenants.manifests import make_tenant

BUDGET = "The marketing budget for 2026 is $5,000,000."
TENANT = make_tenant(
    "tenanta", personas=[{"id": "finance", "instructions": "Answer as the finance lead."}, {"id": "legal"}]
)


@pytest.fixture
def bedrock() -> FakeBedrock:
    return FakeBedrock()


@pytest.fixture
def budget() -> FakeBudget:
    return FakeBudget()


@pytest.fixture
def usage() -> FakeUsage:
    return FakeUsage()


@pytest.fixture
async def service(bedrock: FakeBedrock, budget: FakeBudget, usage: FakeUsage) -> AnswerService:
    vectors = FakeVectors()
    document = Document("finance", "d", "budget.md", "0", STORED_AT)
    await publish(
        vectors, TENANT, document, [Chunk(BUDGET, 4)], await bedrock.embed([BUDGET], tenant_key=TENANT.key)
    )
    return _make_service(bedrock, vectors, budget, usage)


def _make_service(
    bedrock: FakeBedrock, vectors: FakeVectors, budget: FakeBudget, usage: FakeUsage
) -> AnswerService:
    retrieval = RetrievalService(
        bedrock.cast_to_real_class(), vectors.cast_to_real_class(), usage.cast_to_real_class()
    )
    token_meter = make_token_meter(budget, usage)
    return AnswerService(
        retrieval,
        bedrock.cast_to_real_class(),
        token_meter,
        models=["the-default", "the-second"],
        max_tokens=100,
        history_tokens=200,
        context_tokens=1000,
    )


async def test_an_answer_with_a_citation_is_grounded(service: AnswerService, bedrock: FakeBedrock) -> None:
    bedrock.says = "It is $5,000,000 [cite:1]."
    answer = await service.answer(TENANT, Question("What is the budget?"), RequestTimings())
    assert (answer.text, answer.grounded, answer.model) == ("It is $5,000,000 [1].", True, "the-default")
    assert (answer.input_tokens, answer.output_tokens) == (7, 3)
    (citation,) = answer.citations
    assert (citation.filename, citation.page, citation.snippet) == ("budget.md", 4, BUDGET)


async def test_an_answer_without_a_valid_marker_is_not_grounded(
    service: AnswerService, bedrock: FakeBedrock
) -> None:
    bedrock.says = "It is $9 [cite:4]."
    answer = await service.answer(TENANT, Question("What is the budget?"), RequestTimings())
    assert (answer.text, answer.grounded, answer.citations) == ("It is $9.", False, [])


async def test_without_passages_no_model_is_called(service: AnswerService, bedrock: FakeBedrock) -> None:
    answer = await service.answer(make_tenant("tenantb"), Question("What is the budget?"), RequestTimings())
    assert (answer.text, answer.grounded, answer.output_tokens) == (NOTHING_FOUND, False, 0)
    assert not bedrock.prompts


async def test_a_persona_uses_its_documents_and_instructions(
    service: AnswerService, bedrock: FakeBedrock
) -> None:
    await service.answer(TENANT, Question("budget?", "finance"), RequestTimings())
    assert bedrock.prompts[0].system.startswith("Answer as the finance lead.")
    answer = await service.answer(TENANT, Question("budget?", "legal"), RequestTimings())
    assert answer.text == NOTHING_FOUND


async def test_an_unknown_persona_is_refused(service: AnswerService) -> None:
    with pytest.raises(PersonaMissing):
        await service.answer(TENANT, Question("budget?", "unknown"), RequestTimings())


async def test_the_tenants_model_guardrail_and_key_are_used(bedrock: FakeBedrock) -> None:
    tenant = make_tenant("tenanta", model={"chat": "its-own", "guardrail": {"id": "g1", "version": "2"}})
    vectors = FakeVectors()
    await publish(
        vectors,
        tenant,
        Document("finance", "d", "a.md", "0", STORED_AT),
        [Chunk(BUDGET)],
        await bedrock.embed([BUDGET], tenant_key=TENANT.key),
    )
    service = _make_service(bedrock, vectors, FakeBudget(), FakeUsage())
    await service.answer(tenant, Question("budget?"), RequestTimings())
    (asked,) = bedrock.prompts
    assert (asked.model, asked.tenant_key) == ("its-own", "tenant-tenanta")
    assert asked.guardrail == Guardrail(id="g1", version="2")


async def test_an_answer_reserves_its_upper_bound_and_settles_its_tokens(
    service: AnswerService, bedrock: FakeBedrock, budget: FakeBudget, usage: FakeUsage
) -> None:
    await service.answer(TENANT, Question("What is the budget?", "finance"), RequestTimings())
    (asked,) = bedrock.prompts
    (reserved,) = budget.reserved
    assert reserved >= (len(asked.system) + len(asked.text)) / 3 + 100
    assert (budget.settled, budget.released) == ([10], 0)
    paid = Counts(requests=1, input_tokens=7, output_tokens=3)
    assert usage.recorded[-1] == ("tenanta", "finance", "the-default", paid)


async def test_the_reservation_includes_the_history(service: AnswerService, budget: FakeBudget) -> None:
    conversation = [Turn("user", "And " * 60), Turn("assistant", "Yes " * 60)]
    for history in ([], conversation):
        await service.answer(TENANT, Question("What is the budget?", "finance", history), RequestTimings())
    without, with_history = budget.reserved
    assert with_history - without >= 480 / 5


async def test_without_a_budget_no_model_is_called(
    service: AnswerService, bedrock: FakeBedrock, budget: FakeBudget
) -> None:
    budget.refuses = BudgetExhausted("No more.", retry_after=1)
    with pytest.raises(BudgetExhausted):
        await service.answer(TENANT, Question("What is the budget?"), RequestTimings())
    assert not bedrock.prompts


async def test_without_passages_nothing_is_reserved(service: AnswerService, budget: FakeBudget) -> None:
    await service.answer(make_tenant("tenantb"), Question("What is the budget?"), RequestTimings())
    assert not budget.reserved


async def stream_answer(service: AnswerService, question: Question) -> tuple[list[str], Answer]:
    *words, answer = [piece async for piece in service.stream(TENANT, question, RequestTimings())]
    assert isinstance(answer, Answer)
    return [word for word in words if isinstance(word, str)], answer


async def test_the_pieces_of_a_stream_are_the_text_of_its_answer(
    service: AnswerService, bedrock: FakeBedrock, budget: FakeBudget
) -> None:
    bedrock.says = "It is $5,000,000 [cite:1]. See [plan](https://evil.example) [cite:7]."
    words, answer = await stream_answer(service, Question("What is the budget?"))
    assert len(words) > 3
    assert "".join(words) == answer.text == "It is $5,000,000 [1]. See [plan]\u200b(https\\://evil.example)."
    assert answer == await service.answer(TENANT, Question("What is the budget?"), RequestTimings())
    assert budget.settled[0] == 10


async def test_a_stream_is_reserved_and_recorded_like_an_answer(
    service: AnswerService, budget: FakeBudget, usage: FakeUsage
) -> None:
    question = Question("What is the budget?", "finance")
    await service.answer(TENANT, question, RequestTimings())
    await stream_answer(service, question)
    whole, stream = budget.reserved
    assert stream == whole
    assert budget.settled == [10, 10]
    assert usage.recorded[-1] == ("tenanta", "finance", "the-default", Counts(1, 7, 3))


async def test_a_closed_stream_settles_the_pieces_so_far(
    service: AnswerService, bedrock: FakeBedrock, usage: FakeUsage
) -> None:
    bedrock.says = f"{'a' * 40} {'b' * 40} {'c' * 40}"
    stream = service.stream(TENANT, Question("What is the budget?"), RequestTimings())
    for _ in range(2):
        await anext(stream)
    await stream.aclose()
    assert 20 <= usage.recorded[-1][3].output_tokens <= 80


async def test_a_stream_without_passages_calls_no_model(bedrock: FakeBedrock, service: AnswerService) -> None:
    question = Question("What is the budget?", answer_format=AnswerFormat.MARKDOWN)
    stream = service.stream(make_tenant("tenantb"), question, RequestTimings())
    nothing = Answer(NOTHING_FOUND, "the-default", answer_format=AnswerFormat.MARKDOWN)
    assert [piece async for piece in stream] == [NOTHING_FOUND, nothing]
    assert not bedrock.prompts


async def test_a_closed_stream_is_settled_by_an_estimate(
    service: AnswerService, bedrock: FakeBedrock, budget: FakeBudget
) -> None:
    bedrock.says = "One two three four five six."
    stream = service.stream(TENANT, Question("What is the budget?"), RequestTimings())
    assert await anext(stream) == "One"
    await stream.aclose()
    (paid,) = budget.settled
    (asked,) = bedrock.prompts
    assert paid >= (len(asked.system) + len(asked.text)) / 3
    assert budget.released == 0


async def test_a_broken_stream_raises_an_error(service: AnswerService, bedrock: FakeBedrock) -> None:
    bedrock.says, bedrock.breaks_before = "One two three.", "three"
    stream = service.stream(TENANT, Question("What is the budget?"), RequestTimings())
    with pytest.raises(BackendUnavailable):
        _ = [piece async for piece in stream]


async def test_the_history_is_in_the_prompt_and_in_the_retrieval_query(
    service: AnswerService, bedrock: FakeBedrock
) -> None:
    history = [Turn("user", "What is the marketing budget?"), Turn("assistant", "It is $5,000,000.")]
    question = Question("And for travel?", history=history)
    assert question.retrieval_query == "What is the marketing budget?\nAnd for travel?"

    await service.answer(TENANT, question, RequestTimings())
    (asked,) = bedrock.prompts
    assert list(asked.history) == history
    assert "<question>And for travel?</question>" in asked.text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_throttled_model_is_replaced_and_settles_nothing(
    service: AnswerService, bedrock: FakeBedrock, budget: FakeBudget, usage: FakeUsage, stream: bool
) -> None:
    bedrock.busy = {"the-default"}
    bedrock.says = "It is $5,000,000 [cite:1]."
    question = Question("What is the budget?")
    answer = (await stream_answer(service, question))[1] if stream else None
    answer = answer or await service.answer(TENANT, question, RequestTimings())
    assert (answer.model, answer.grounded) == ("the-second", True)
    assert (budget.released, budget.settled) == (1, [10])
    assert usage.recorded[-1][2] == "the-second"


async def test_without_an_available_model_an_error_is_raised(
    service: AnswerService, bedrock: FakeBedrock
) -> None:
    bedrock.busy = {"the-default", "the-second"}
    question = Question("What is the budget?")
    with pytest.raises(BackendUnavailable):
        await service.answer(TENANT, question, RequestTimings())
    with pytest.raises(BackendUnavailable):
        await stream_answer(service, question)


async def test_a_broken_stream_is_not_continued_by_another_model(
    service: AnswerService, bedrock: FakeBedrock
) -> None:
    bedrock.says, bedrock.breaks_before = "One two three.", "three"
    with pytest.raises(BackendUnavailable):
        await stream_answer(service, Question("What is the budget?"))
    assert [asked.model for asked in bedrock.prompts] == ["the-default"]
