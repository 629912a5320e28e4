"""Questions on the real backends: found, answered, cited; and what a Tenant's own settings change."""

import httpx
import pytest
from gateway.answers.service import Question
from gateway.timings import RequestTimings
from tenancy.names import COLLECTION

from .conftest import TENANT, World


@pytest.fixture(scope="module", autouse=True)
async def documents(world: World) -> None:
    texts = {
        "budget.md": "# Budget\n\nThe approved marketing budget for 2026 is $5,000,000. Travel gets $40,000.",
        "lease.md": "# Lease\n\nThe notice period of the Lisbon office lease is nine months.",
        "dogs.md": "# Dogs\n\nDogs are welcome in the office on Wednesdays.",
        "badges.md": "# Badges\n\nLost badges are replaced at the reception for 20 euros.",
    }
    for name, text in texts.items():
        assert (await world.upload(name, text.encode())).status_code == 201


async def test_an_answer_is_right_and_cites_where_it_stands(world: World) -> None:
    answer = (
        await world.post("/v1/answers", json={"question": "What is the approved marketing budget for 2026?"})
    ).json()
    assert "$5,000,000" in answer["answer"]
    assert answer["grounded"] is True
    assert answer["citations"][0]["filename"] == "budget.md"
    assert answer["citations"][0]["snippet"] == "The approved marketing budget for 2026 is $5,000,000."
    assert answer["usage"]["inputTokens"] > 0


async def test_what_the_documents_do_not_say_is_not_answered(world: World) -> None:
    answer = (
        await world.post("/v1/answers", json={"question": "Who won the chess tournament in Oslo?"})
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
async def test_a_tenant_may_name_a_model_of_another_family(world: World, model: str) -> None:
    await world.patch({"model": {"chat": model}})
    question = {"question": "What is the approved marketing budget for 2026?"}
    answer = (await world.post("/v1/answers", json=question)).json()
    await world.patch({"model": {"chat": ""}})
    assert (answer["model"], answer["grounded"]) == (model, True)
    assert "$5,000,000" in answer["answer"]


async def test_three_passages_are_found_unless_told_otherwise(world: World) -> None:
    assert len(await world.search("office")) == 3
    assert len(await world.search("office", topK=1)) == 1
    await world.patch({"retrieval": {"topK": 2}})
    assert len(await world.search("office")) == 2
    await world.patch({"retrieval": {"topK": 3}})


async def test_a_threshold_of_the_tenant_keeps_far_passages_out(world: World) -> None:
    await world.patch({"retrieval": {"scoreThreshold": 0.99}})
    assert await world.search("Are dogs welcome?") == []
    await world.patch({"retrieval": {"scoreThreshold": 0}})


async def test_a_new_persona_is_known_at_once_and_has_no_documents_of_others(world: World) -> None:
    response = await world.post("/v1/search", json={"query": "dogs", "personaId": "legal"})
    assert (response.status_code, response.json()["personas"]) == (404, ["finance"])
    await world.patch({"personas": [{"id": "finance"}, {"id": "legal"}]})
    assert await world.search("dogs", personaId="legal") == []
    assert await world.search("dogs", personaId="finance")


async def test_the_tenant_stands_in_the_models_log(world: World) -> None:
    await world.post("/v1/answers", json={"question": "Are dogs welcome in the office?"})
    async with httpx.AsyncClient(base_url=world.platform.parts["bedrock"].url) as bedrock:
        calls = (await bedrock.get("/standin/calls")).json()
    last = [call for call in calls if call["operation"] == "ConverseStream"][-1]
    assert last["requestMetadata"] == {"tenant": f"tenant-{TENANT}"}
    assert last["model"] == "us.anthropic.claude-sonnet-4-6"


async def test_a_retired_model_is_refused_with_its_name(world: World) -> None:
    await world.patch({"model": {"chat": "anthropic.claude-3-sonnet-20240229-v1:0"}})
    response = await world.post("/v1/answers", json={"question": "Are dogs welcome in the office?"})
    assert response.status_code == 502
    assert response.json()["model"] == "anthropic.claude-3-sonnet-20240229-v1:0"
    await world.patch({"model": {"chat": ""}})


async def test_the_tenants_guardrail_stops_an_answer(world: World) -> None:
    question = {"question": "Are dogs welcome in the office?"}
    async with httpx.AsyncClient(base_url=world.platform.parts["bedrock"].url) as bedrock:
        (await bedrock.put("/standin/guardrails", json={"words": ["dogs"]})).raise_for_status()
        assert (await world.post("/v1/answers", json=question)).json()["grounded"], "it is not asked for yet"
        await world.patch({"model": {"guardrail": {"id": "abcd1234", "version": "1"}}})
        answer = (await world.post("/v1/answers", json=question)).json()
        await world.patch({"model": {"guardrail": None}})
        (await bedrock.put("/standin/guardrails", json={"words": []})).raise_for_status()
    assert answer["grounded"] is False
    assert "welcome" not in answer["answer"].casefold()


async def test_throttling_of_bedrock_is_waited_out(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.platform.parts["bedrock"].url) as bedrock:
        fault = {"operation": "InvokeModel", "fault": "throttle", "times": 1}
        (await bedrock.put("/standin/faults", json=fault)).raise_for_status()
    assert await world.search("Are dogs welcome?")


async def test_a_suspended_tenant_is_refused_at_once(world: World) -> None:
    await world.patch({"suspended": True})
    response = await world.post("/v1/search", json={"query": "dogs"})
    assert (response.status_code, response.json()["type"]) == (
        403,
        "https://tenantry.io/problems/tenant-suspended",
    )
    await world.patch({"suspended": False})
    assert await world.search("dogs")


async def test_a_tenant_whose_collection_is_not_made_yet_is_told_to_wait(world: World) -> None:
    assert await world.qdrant.collection_exists(COLLECTION)
    world.tenants.patch_status(TENANT, {"status": {"vectors": {"collection": "not-there", "filter": {}}}})
    response = await _until_status(world, 503)
    assert response.json()["type"].endswith("/tenant-not-ready")
    world.tenants.patch_status(TENANT, {"status": {"vectors": None}})
    await _until_status(world, 200)


async def _until_status(world: World, status: int) -> httpx.Response:
    for _ in range(200):
        response = await world.post("/v1/search", json={"query": "dogs"})
        if response.status_code == status:
            return response
    raise AssertionError(f"still {response.status_code}")


async def test_the_model_is_shown_what_stands_beside_a_passage(world: World) -> None:
    """The question is like the first chunk; what answers it stands in the second."""
    filler = " ".join(f"The quarry keeps stone of grade {n} in yard {n}." for n in range(60))
    text = f"Who may enter the quarry at night is ruled here.\n\n{filler}\n\nOnly the warden Ilse Brandt may."
    assert (await world.upload("quarry.txt", text.encode())).json()["chunks"] > 1
    question = Question("Who may enter the quarry at night?", "finance")
    tenant = world.gateway.context.registry.get(TENANT)
    assert tenant
    prompts, passages = await world.gateway.context.answers._answers._prepare(
        tenant, question, RequestTimings()
    )
    (found,) = await world.search(question.text, topK=1)
    assert found["chunk"] == 0
    (shown,) = [each for each in passages if (each.document_id, each.chunk) == (found["documentId"], 0)]
    assert shown.text.startswith(found["text"])
    assert len(shown.text) > len(found["text"])
    words = " ".join(shown.text.split())
    assert words in " ".join(text.split()), "word for word, with what two chunks share only once"
    assert "yard 20" in prompts[0].text
