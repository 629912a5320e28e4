"""Tests of models, answers and refusals in the real Open WebUI."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.open_webui.services import make_problem
from tests.support.timing.waiting import wait_until

from .conftest import OpenWebUIHarness

pytestmark = pytest.mark.programs

SHOWN = "The budget is $5,000,000 [1]. It was approved in May [2] [1]."
SIGN_IN = "You are not signed in with your company's account, or that sign-in has ended. "


async def test_a_user_without_a_tenant_cannot_use_the_pipe(harness: OpenWebUIHarness) -> None:
    person = await harness.webui.add_person("other")
    assert await person.list_models() == set()
    for model in ("tenantry", "tenantry_base", harness.model):
        response = await person.ask(model, "?")
        assert (response.status_code, response.json()["detail"]) == (400, "Model not found")
    assert harness.services.requests == []


async def test_a_member_can_use_only_the_personas_of_the_tenant(
    harness: OpenWebUIHarness,
) -> None:
    person = await harness.add_member("diana")
    assert await person.list_models() == {harness.model}
    for model in ("tenantry", "tenantry_base"):
        assert (await person.ask(model, "?")).status_code == 400
    assert harness.services.requests == []


async def test_the_administrator_cannot_use_the_pipe_without_a_persona(harness: OpenWebUIHarness) -> None:
    assert (await harness.webui.admin.ask("tenantry", "?")).status_code == 400


@pytest.mark.parametrize(("orchestrator", "way"), [("n8n", "n8n"), ("direct", "gateway")])
async def test_an_answer_has_sources_and_statuses(
    harness: OpenWebUIHarness, orchestrator: str, way: str
) -> None:
    person = await harness.add_member("diana")
    await harness.webui.set_valves(orchestrator=orchestrator)
    chat = await person.ask_in_chat(harness.model, "What is the budget?")
    assert chat.content == SHOWN
    assert chat.names == ["plan.pdf, page 3", "notes.md"]
    first = chat.sources[0]
    assert first["document"] == ["```text\n$5,000,000\n```"]
    assert (first["metadata"][0]["file_id"], first["metadata"][0]["page"]) == ("file-1", 2)
    assert chat.statuses[0]["description"] == "Searching the documents"
    assert chat.statuses[-1] == {"description": "Answered from 2 passages", "done": True}
    (asked,) = harness.services.requests
    assert (asked["way"], asked["body"]["question"], asked["body"]["personaId"]) == (
        way,
        "What is the budget?",
        "finance",
    )


async def test_an_answer_streams(harness: OpenWebUIHarness) -> None:
    person = await harness.add_member("diana")
    await harness.webui.set_valves(orchestrator="direct")
    harness.services.pause = 0.05
    began = time.monotonic()
    pieces = await person.stream(harness.model, "What is the budget?")
    assert "".join(pieces) == SHOWN
    assert len(pieces) > 5
    assert time.monotonic() - began >= 0.5


async def test_a_user_without_a_keycloak_session_gets_a_message(harness: OpenWebUIHarness) -> None:
    person = await harness.webui.add_person("no-keycloak")
    await harness.webui.admin.post(f"/api/v1/groups/id/{harness.group}/users/add", {"user_ids": [person.id]})
    chat = await person.ask_in_chat(harness.model, "What is the budget?")
    assert chat.content.startswith(SIGN_IN)
    assert chat.statuses == [{"description": "Not answered", "done": True}]
    assert harness.services.requests == []


async def test_a_refusal_of_the_gateway_is_shown_as_a_message(harness: OpenWebUIHarness) -> None:
    person = await harness.add_member("diana")
    harness.services.refusal = make_problem(429, "rate-limited", limit=60)
    chat = await person.ask_in_chat(harness.model, "What is the budget?")
    assert chat.content.endswith("has reached its limit of questions per minute. Ask again in 31 seconds.")


async def test_when_n8n_fails_the_gateway_answers(harness: OpenWebUIHarness) -> None:
    person = await harness.add_member("diana")
    harness.services.n8n_status = 500
    assert (await person.ask_in_chat(harness.model, "What is the budget?")).content == SHOWN
    assert [asked["way"] for asked in harness.services.requests] == ["n8n", "gateway"]


async def test_forged_metadata_has_no_effect(harness: OpenWebUIHarness) -> None:
    person, other = await harness.add_member("diana"), await harness.add_member("alice")
    foreign = await other.upload("secret.txt", b"of alice")
    made_up: dict[str, Any] = {
        "metadata": {
            "user_id": other.id,
            "tenant": "tenant-other",
            "model": {"id": "tenant-other.legal"},
            "model_id": "tenant-other.legal",
            "base_user_prompt": "Another question?",
            "files": [{"type": "file", "id": foreign}],
        },
        "user": {"id": other.id},
        "tenant": "tenant-other",
        "files": [{"type": "file", "id": foreign, "name": "secret.txt"}],
    }
    harness.services.files = []
    for body in (made_up, {"metadata": made_up["metadata"]}):
        response = await person.ask(harness.model, "What is the budget?", **body)
        assert response.json()["choices"][0]["message"]["content"] == SHOWN
    for asked in harness.services.requests:
        assert asked["email"].startswith("diana-")
        assert asked["body"] == {
            "question": "What is the budget?",
            "personaId": "finance",
            "history": [],
            "format": "markdown",
        }
        assert foreign not in str(asked)


async def test_an_answer_waits_for_attached_files(harness: OpenWebUIHarness) -> None:
    person = await harness.add_member("diana")
    file_id = await person.upload("plan.txt", b"The budget is $5,000,000.")
    file = {"id": file_id, "filename": "plan.txt", "personaId": "finance", "reason": None}
    harness.services.files = [{**file, "state": "indexing"}]
    attached = [{"type": "file", "id": file_id, "name": "plan.txt", "url": file_id, "status": "uploaded"}]
    asking = asyncio.create_task(person.ask_in_chat(harness.model, "What is the budget?", files=attached))
    await wait_until(lambda: harness.services.file_requests > 0)
    harness.services.files = [{**file, "state": "ready"}]
    chat = await asking
    assert chat.content == SHOWN
    assert chat.statuses[0]["description"] == "Waiting until `plan.txt` can be searched"
    (asked,) = harness.services.requests
    assert asked["body"]["question"] == "What is the budget?"


async def test_the_files_command_lists_files(harness: OpenWebUIHarness) -> None:
    person = await harness.add_member("diana")
    harness.services.files = [
        {"id": "f", "filename": "plan.pdf", "personaId": "finance", "state": "ready", "reason": None}
    ]
    chat = await person.ask_in_chat(harness.model, "/files")
    assert chat.content == "Your files:\n\n- `plan.pdf` is ready: answers can use it (finance)"


async def test_stopping_an_answer_cancels_the_call(harness: OpenWebUIHarness) -> None:
    person = await harness.add_member("diana")
    await harness.webui.set_valves(orchestrator="direct")
    harness.services.pause = 0.5
    chat_id = await person.begin(harness.model, "What is the budget?")
    await wait_until(lambda: bool(harness.services.requests))
    await person.stop(chat_id)
    await wait_until(lambda: harness.services.left == 1)


@pytest.fixture
async def title_generation(harness: OpenWebUIHarness) -> AsyncIterator[None]:
    """Enable the generation of titles, which is disabled by default."""
    path = "/api/v1/tasks/config"
    as_before = await harness.webui.admin.get(path)
    await harness.webui.admin.post(f"{path}/update", as_before | {"ENABLE_TITLE_GENERATION": True})
    yield
    await harness.webui.admin.post(f"{path}/update", as_before)


@pytest.mark.usefixtures("title_generation")
async def test_a_title_is_generated_without_a_backend_call(harness: OpenWebUIHarness) -> None:
    person = await harness.add_member("diana")
    body = {"model": harness.model, "messages": [{"role": "user", "content": "What is the budget?"}]}
    response = await person.post("/api/v1/tasks/title/completions", body)
    assert response["choices"][0]["message"]["content"] == '{"title": "What is the budget?"}'
    assert harness.services.requests == []
