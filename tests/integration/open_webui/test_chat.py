"""Who may use which model of the real Open WebUI, and how answers and refusals look there."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.services import problem
from tests.support.waiting import until

from .conftest import Office

pytestmark = pytest.mark.programs

SHOWN = "The budget is $5,000,000 [1]. It was approved in May [2] [1]."
SIGN_IN = "You are not signed in with your company's account, or that sign-in has ended. "


async def test_an_ordinary_person_is_offered_no_bare_pipe_and_cannot_ask_it(office: Office) -> None:
    person = await office.webui.add_person("stranger")
    assert await person.models() == set()
    for model in ("tenantry", "tenantry_base", office.model):
        response = await person.ask(model, "?")
        assert (response.status_code, response.json()["detail"]) == (400, "Model not found")
    assert office.services.asked == []


async def test_a_person_of_the_tenant_is_offered_its_personas_alone_and_can_ask_no_bare_pipe(
    office: Office,
) -> None:
    person = await office.join("diana")
    assert await person.models() == {office.model}
    for model in ("tenantry", "tenantry_base"):
        assert (await person.ask(model, "?")).status_code == 400
    assert office.services.asked == []


async def test_the_administrator_cannot_ask_the_bare_pipe_either(office: Office) -> None:
    assert (await office.webui.admin.ask("tenantry", "?")).status_code == 400


@pytest.mark.parametrize(("orchestrator", "way"), [("n8n", "n8n"), ("direct", "gateway")])
async def test_an_answer_in_a_chat_has_its_sources_and_statuses(
    office: Office, orchestrator: str, way: str
) -> None:
    person = await office.join("diana")
    await office.webui.set_valves(orchestrator=orchestrator)
    chat = await person.chat(office.model, "What is the budget?")
    assert chat.content == SHOWN
    assert chat.names == ["plan.pdf, page 3", "notes.md"]
    first = chat.sources[0]
    assert first["document"] == ["```text\n$5,000,000\n```"]
    assert (first["metadata"][0]["file_id"], first["metadata"][0]["page"]) == ("file-1", 2)
    assert chat.statuses[0]["description"] == "Searching the documents"
    assert chat.statuses[-1] == {"description": "Answered from 2 passages", "done": True}
    (asked,) = office.services.asked
    assert (asked["way"], asked["body"]["question"], asked["body"]["personaId"]) == (
        way,
        "What is the budget?",
        "finance",
    )


async def test_an_answer_streams(office: Office) -> None:
    person = await office.join("diana")
    await office.webui.set_valves(orchestrator="direct")
    office.services.pause = 0.05
    began = time.monotonic()
    pieces = await person.stream(office.model, "What is the budget?")
    assert "".join(pieces) == SHOWN
    assert len(pieces) > 5
    assert time.monotonic() - began >= 0.5


async def test_a_person_without_keycloak_gets_a_sentence(office: Office) -> None:
    person = await office.webui.add_person("no-keycloak")
    await office.webui.admin.post(f"/api/v1/groups/id/{office.group}/users/add", {"user_ids": [person.id]})
    chat = await person.chat(office.model, "What is the budget?")
    assert chat.content.startswith(SIGN_IN)
    assert chat.statuses == [{"description": "Not answered", "done": True}]
    assert office.services.asked == []


async def test_a_refusal_of_the_gateway_is_a_sentence(office: Office) -> None:
    person = await office.join("diana")
    office.services.refusal = problem(429, "rate-limited", limit=60)
    chat = await person.chat(office.model, "What is the budget?")
    assert chat.content.endswith("has reached its limit of questions per minute. Ask again in 31 seconds.")


async def test_when_n8n_fails_the_gateway_answers(office: Office) -> None:
    person = await office.join("diana")
    office.services.n8n_status = 500
    assert (await person.chat(office.model, "What is the budget?")).content == SHOWN
    assert [asked["way"] for asked in office.services.asked] == ["n8n", "gateway"]


async def test_what_a_caller_makes_up_changes_nothing(office: Office) -> None:
    person, other = await office.join("diana"), await office.join("alice")
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
    office.services.files = []
    for body in (made_up, {"metadata": made_up["metadata"]}):
        response = await person.ask(office.model, "What is the budget?", **body)
        assert response.json()["choices"][0]["message"]["content"] == SHOWN
    for asked in office.services.asked:
        assert asked["email"].startswith("diana-")
        assert asked["body"] == {
            "question": "What is the budget?",
            "personaId": "finance",
            "history": [],
            "format": "markdown",
        }
        assert foreign not in str(asked)


async def test_attached_files_are_waited_for_in_a_chat(office: Office) -> None:
    person = await office.join("diana")
    file_id = await person.upload("plan.txt", b"The budget is $5,000,000.")
    file = {"id": file_id, "filename": "plan.txt", "personaId": "finance", "reason": None}
    office.services.files = [{**file, "state": "indexing"}]
    attached = [{"type": "file", "id": file_id, "name": "plan.txt", "url": file_id, "status": "uploaded"}]
    asking = asyncio.create_task(person.chat(office.model, "What is the budget?", files=attached))
    await until(lambda: office.services.file_requests > 0)
    office.services.files = [{**file, "state": "ready"}]
    chat = await asking
    assert chat.content == SHOWN
    assert chat.statuses[0]["description"] == "Waiting until `plan.txt` can be searched"
    (asked,) = office.services.asked
    assert asked["body"]["question"] == "What is the budget?"


async def test_the_command_lists_files(office: Office) -> None:
    person = await office.join("diana")
    office.services.files = [
        {"id": "f", "filename": "plan.pdf", "personaId": "finance", "state": "ready", "reason": None}
    ]
    chat = await person.chat(office.model, "/files")
    assert chat.content == "Your files:\n\n- `plan.pdf` is ready: answers can use it (finance)"


async def test_who_stops_an_answer_ends_the_call(office: Office) -> None:
    person = await office.join("diana")
    await office.webui.set_valves(orchestrator="direct")
    office.services.pause = 0.5
    chat_id = await person.begin(office.model, "What is the budget?")
    await until(lambda: bool(office.services.asked))
    await person.stop(chat_id)
    await until(lambda: office.services.left == 1)


@pytest.fixture
async def naming(office: Office) -> AsyncIterator[None]:
    """Chats are given names, which is switched off where nobody wishes for it."""
    path = "/api/v1/tasks/config"
    as_before = await office.webui.admin.get(path)
    await office.webui.admin.post(f"{path}/update", as_before | {"ENABLE_TITLE_GENERATION": True})
    yield
    await office.webui.admin.post(f"{path}/update", as_before)


@pytest.mark.usefixtures("naming")
async def test_a_chat_is_named_without_asking_anybody(office: Office) -> None:
    person = await office.join("diana")
    body = {"model": office.model, "messages": [{"role": "user", "content": "What is the budget?"}]}
    said = await person.post("/api/v1/tasks/title/completions", body)
    assert said["choices"][0]["message"]["content"] == '{"title": "What is the budget?"}'
    assert office.services.asked == []
