"""Tests of the retrieval service on fakes."""

import pytest
from gateway.bm25 import build_query_vector
from gateway.limits.usage import Counts
from gateway.models import Chunk, Document
from gateway.problems import PersonaMissing
from gateway.retrieval.service import MAX_QUERY_BYTES, RetrievalService
from gateway.timings import RequestTimings

from tests.support.documents.index_writes import publish
from tests.support.fakes.backends import STORED_AT, FakeBedrock, FakeVectors
from tests.support.fakes.limits import FakeUsage
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta", retrieval={"topK": 5, "scoreThreshold": 0.25, "mode": "hybrid"})


@pytest.fixture
def vectors() -> FakeVectors:
    return FakeVectors()


@pytest.fixture
def usage() -> FakeUsage:
    return FakeUsage()


@pytest.fixture
def service(vectors: FakeVectors, usage: FakeUsage) -> RetrievalService:
    return RetrievalService(
        FakeBedrock().cast_to_real_class(), vectors.cast_to_real_class(), usage.cast_to_real_class()
    )


async def test_the_nearest_passage_comes_first(service: RetrievalService, vectors: FakeVectors) -> None:
    texts = ["The lease ends in May.", "The budget is five million."]
    embedded = await FakeBedrock().embed(texts, tenant_key=TENANT.key)
    document = Document("finance", "d", "a.md", "0", STORED_AT)
    await publish(vectors, TENANT, document, [Chunk(text) for text in texts], embedded)
    passages = await service.find(TENANT, "What is the budget?", RequestTimings())
    assert [passage.text for passage in passages] == texts[::-1]


@pytest.mark.parametrize("filler", ["word ", "語", "🙂"])
async def test_the_end_of_a_query_that_is_too_long_is_used(
    vectors: FakeVectors, usage: FakeUsage, filler: str
) -> None:
    bedrock, embedded = FakeBedrock(), list[str]()

    async def record_text(text: str) -> None:
        embedded.append(text)

    bedrock.before_embedding = record_text
    service = RetrievalService(
        bedrock.cast_to_real_class(), vectors.cast_to_real_class(), usage.cast_to_real_class()
    )
    await service.find(TENANT, filler * 10_000 + "\nbudget?", RequestTimings())
    (text,) = embedded
    assert len(text.encode()) <= MAX_QUERY_BYTES
    assert text.endswith(f"{filler}\nbudget?")


async def test_limit_and_threshold_are_the_tenants(service: RetrievalService, vectors: FakeVectors) -> None:
    await service.find(TENANT, "budget", RequestTimings())
    words = build_query_vector("budget")
    assert vectors.searches == [
        {"tenant": "tenant-tenanta", "sparse": words, "persona_id": None, "limit": 5, "threshold": 0.25}
    ]


async def test_words_are_searched_only_in_hybrid_mode(
    service: RetrievalService, vectors: FakeVectors
) -> None:
    await service.find(make_tenant("tenanta", retrieval={"mode": "dense"}), "budget", RequestTimings())
    assert vectors.searches[0]["sparse"] is None


async def test_a_request_may_set_the_limit_and_a_persona(
    service: RetrievalService, vectors: FakeVectors
) -> None:
    await service.find(TENANT, "budget", RequestTimings(), persona_id="finance", top_k=9)
    (asked,) = vectors.searches
    assert (asked["persona_id"], asked["limit"]) == ("finance", 9)


async def test_an_unknown_persona_is_refused_with_the_existing_ones(
    service: RetrievalService, vectors: FakeVectors
) -> None:
    with pytest.raises(PersonaMissing) as caught:
        await service.find(TENANT, "budget", RequestTimings(), persona_id="legal")
    assert caught.value.to_problem()["personas"] == ["finance"]
    assert not vectors.searches


async def test_embedding_and_search_are_timed_separately(service: RetrievalService) -> None:
    timings = RequestTimings()
    await service.find(TENANT, "budget", timings)
    assert [stage.split(";")[0] for stage in timings.to_header().split(", ")] == ["embed", "search", "total"]


async def test_the_tokens_of_the_embedding_are_recorded(service: RetrievalService, usage: FakeUsage) -> None:
    await service.find(TENANT, "three words here", RequestTimings(), persona_id="finance")
    assert usage.recorded == [("tenanta", "finance", "the-embedder", Counts(requests=1, embedding_tokens=3))]
