"""Tests of answers on real backends, with citations and the settings of a Tenant."""

import httpx
import pytest
from gateway.answers.service import Question
from gateway.timings import RequestTimings
from tenancy.names import COLLECTION

from tests.support.programs.standins import list_calls

from .conftest import TENANT, IntegrationHarness


@pytest.fixture(scope="module", autouse=True)
async def documents(harness: IntegrationHarness) -> None:
    texts = {
        "budget.md": "# Budget\n\nThe approved marketing budget for 2026 is $5,000,000. Travel gets $40,000.",
        "lease.md": "# Lease\n\nThe notice period of the Lisbon office lease is nine months.",
        "dogs.md": "# Dogs\n\nDogs are welcome in the office on Wednesdays.",
        "badges.md": "# Badges\n\nLost badges are replaced at the reception for 20 euros.",
    }
    for name, text in texts.items():
        assert (await harness.upload(name, text.encode())).status_code == 201


async def test_an_answer_is_correct_and_cites_its_source(harness: IntegrationHarness) -> None:
    answer = (
        await harness.post(
            "/v1/answers", json={"question": "What is the approved marketing budget for 2026?"}
        )
    ).json()
    assert "$5,000,000" in answer["answer"]
    assert answer["grounded"] is True
    assert answer["citations"][0]["filename"] == "budget.md"
    assert answer["citations"][0]["snippet"] == "The approved marketing budget for 2026 is $5,000,000."
    assert answer["usage"]["inputTokens"] > 0


async def test_a_question_without_an_answer_in_the_documents_is_not_grounded(
    harness: IntegrationHarness,
) -> None:
    answer = (
        await harness.post("/v1/answers", json={"question": "Who won the chess tournament in Oslo?"})
    ).json()
    assert answer["grounded"] is False
    assert answer["citations"] == []


@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-pro-v1:0",
        "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "us.meta.llama4-maverick-17b-instruct-v1:0",
        "mistral.mistral-large-2407-v1:0",
    ],
)
async def test_a_tenant_may_name_a_model_of_another_family(harness: IntegrationHarness, model: str) -> None:
    await harness.patch({"model": {"chat": model}})
    question = {"question": "What is the approved marketing budget for 2026?"}
    answer = (await harness.post("/v1/answers", json=question)).json()
    await harness.patch({"model": {"chat": ""}})
    assert (answer["model"], answer["grounded"]) == (model, True)
    assert "$5,000,000" in answer["answer"]


async def test_three_passages_are_found_by_default(harness: IntegrationHarness) -> None:
    assert len(await harness.search("office")) == 3
    assert len(await harness.search("office", topK=1)) == 1
    await harness.patch({"retrieval": {"topK": 2}})
    assert len(await harness.search("office")) == 2
    await harness.patch({"retrieval": {"topK": 3}})


async def test_the_threshold_of_the_tenant_excludes_passages(harness: IntegrationHarness) -> None:
    await harness.patch({"retrieval": {"scoreThreshold": 0.99}})
    assert await harness.search("Are dogs welcome?") == []
    await harness.patch({"retrieval": {"scoreThreshold": 0}})


async def test_a_new_persona_is_available_immediately_without_documents(harness: IntegrationHarness) -> None:
    response = await harness.post("/v1/search", json={"query": "dogs", "personaId": "legal"})
    assert (response.status_code, response.json()["personas"]) == (404, ["finance"])
    await harness.patch({"personas": [{"id": "finance"}, {"id": "legal"}]})
    assert await harness.search("dogs", personaId="legal") == []
    assert await harness.search("dogs", personaId="finance")


async def test_the_invocation_log_of_bedrock_has_the_tenant_key(harness: IntegrationHarness) -> None:
    await harness.post("/v1/answers", json={"question": "Are dogs welcome in the office?"})
    last = (await list_calls(harness.platform.parts["bedrock"].url, "ConverseStream"))[-1]
    assert last["requestMetadata"] == {"tenant": f"tenant-{TENANT}"}
    assert last["model"] == "us.anthropic.claude-sonnet-4-6"


async def test_a_retired_model_is_refused_with_its_name(harness: IntegrationHarness) -> None:
    await harness.patch({"model": {"chat": "anthropic.claude-3-sonnet-20240229-v1:0"}})
    response = await harness.post("/v1/answers", json={"question": "Are dogs welcome in the office?"})
    assert response.status_code == 502
    assert response.json()["model"] == "anthropic.claude-3-sonnet-20240229-v1:0"
    await harness.patch({"model": {"chat": ""}})


async def test_the_tenants_guardrail_stops_an_answer(harness: IntegrationHarness) -> None:
    question = {"question": "Are dogs welcome in the office?"}
    async with httpx.AsyncClient(base_url=harness.platform.parts["bedrock"].url) as bedrock:
        (await bedrock.put("/standin/guardrails", json={"words": ["dogs"]})).raise_for_status()
        assert (await harness.post("/v1/answers", json=question)).json()["grounded"], (
            "the model has not been called yet"
        )
        await harness.patch({"model": {"guardrail": {"id": "abcd1234", "version": "1"}}})
        answer = (await harness.post("/v1/answers", json=question)).json()
        await harness.patch({"model": {"guardrail": None}})
        (await bedrock.put("/standin/guardrails", json={"words": []})).raise_for_status()
    assert answer["grounded"] is False
    assert "welcome" not in answer["answer"].casefold()


async def test_throttled_calls_are_retried(harness: IntegrationHarness) -> None:
    async with httpx.AsyncClient(base_url=harness.platform.parts["bedrock"].url) as bedrock:
        fault = {"operation": "InvokeModel", "fault": "throttle", "times": 1}
        (await bedrock.put("/standin/faults", json=fault)).raise_for_status()
    assert await harness.search("Are dogs welcome?")


async def test_a_suspended_tenant_is_refused_immediately(harness: IntegrationHarness) -> None:
    await harness.patch({"suspended": True})
    response = await harness.post("/v1/search", json={"query": "dogs"})
    assert (response.status_code, response.json()["type"]) == (
        403,
        "https://tenantry.io/problems/tenant-suspended",
    )
    await harness.patch({"suspended": False})
    assert await harness.search("dogs")


async def test_a_tenant_without_a_collection_is_503(harness: IntegrationHarness) -> None:
    assert await harness.qdrant.collection_exists(COLLECTION)
    harness.tenants.patch_status(TENANT, {"status": {"vectors": {"collection": "not-there", "filter": {}}}})
    response = await _wait_for_status(harness, 503)
    assert response.json()["type"].endswith("/tenant-not-ready")
    harness.tenants.patch_status(TENANT, {"status": {"vectors": None}})
    await _wait_for_status(harness, 200)


async def _wait_for_status(harness: IntegrationHarness, status: int) -> httpx.Response:
    for _ in range(200):
        response = await harness.post("/v1/search", json={"query": "dogs"})
        if response.status_code == status:
            return response
    raise AssertionError(f"still {response.status_code}")


async def test_the_prompt_has_the_neighbours_of_a_passage(harness: IntegrationHarness) -> None:
    """The question resembles the first chunk; the second one has the answer."""
    filler = " ".join(f"The quarry keeps stone of grade {n} in yard {n}." for n in range(60))
    text = f"Who may enter the quarry at night is ruled here.\n\n{filler}\n\nOnly the warden Ilse Brandt may."
    assert (await harness.upload("quarry.txt", text.encode())).json()["chunks"] > 1
    question = Question("Who may enter the quarry at night?", "finance")
    tenant = harness.gateway.context.registry.get(TENANT)
    assert tenant
    prompts, passages = await harness.gateway.context.answers._answers._prepare(
        tenant, question, RequestTimings()
    )
    (passage,) = await harness.search(question.text, topK=1)
    assert passage["chunk"] == 0
    (shown,) = [
        extended
        for extended in passages
        if (extended.document_id, extended.chunk) == (passage["documentId"], 0)
    ]
    assert shown.text.startswith(passage["text"])
    assert len(shown.text) > len(passage["text"])
    words = " ".join(shown.text.split())
    assert words in " ".join(text.split()), "the text is verbatim and contains the overlap of two chunks once"
    assert "yard 20" in prompts[0].text
