"""What people see: they log in, drop a file, ask, and get an answer with its source; and nobody else does."""

import json
import time
from pathlib import Path

import pytest
from tenancy.names import model_id

from tests.support.browser import Visitor
from tests.support.companies import Company
from tests.support.waiting import until

from .conftest import Street

pytestmark = [pytest.mark.programs, pytest.mark.timeout(900)]

QUESTION = "What is the approved marketing budget for 2026?"
FIGURE = "$5,000,000"
READY_SECONDS = 30
"""How long a file may take from its upload until answers know it."""


async def ready(visitor: Visitor, name: str) -> None:
    """Wait until the chat says that a file is ready."""

    async def told() -> bool:
        answer = await visitor.ask("/files")
        return name in answer and "ready" in answer.lower()

    await until(told, seconds=READY_SECONDS)


async def share_plan(visitor: Visitor, company: Company, plan: Path) -> None:
    """Upload the plan into the knowledge of finance, begin a chat there, and wait until the plan is ready."""
    await visitor.open_knowledge(f"{company.tenant.spec.display_name}: Finance")
    await visitor.upload(plan)
    await visitor.picture("knowledge")
    await visitor.begin_chat(model_id(company.id, "finance"))
    await ready(visitor, plan.name)


async def test_a_file_becomes_an_answer_with_its_source_and_is_forgotten_when_it_is_deleted(
    street: Street, plan: Path
) -> None:
    async with street.company("riverside") as company:
        diana = await street.visitor(company.address("diana"))
        await diana.picture("first-page")
        assert await diana.models() == {"Riverside: Finance"}
        started = time.monotonic()
        await share_plan(diana, company, plan)
        assert time.monotonic() - started < READY_SECONDS + 10
        await diana.picture("files")
        answer = await diana.ask(QUESTION)
        assert FIGURE in answer
        await diana.picture("answer")
        source = await diana.open_source(f"{plan.name}, page 2")
        assert "The approved marketing budget for 2026 is $5,000,000." in source
        await diana.picture("source")
        await diana.page.keyboard.press("Escape")
        answer = await diana.ask("Who won the football cup in 1974?")
        assert "do not hold the answer" in answer
        assert "source" not in answer.lower().replace("without a source", "")
        await diana.picture("unknown")
        await diana.open_knowledge("Riverside: Finance")
        await diana.delete_file(plan.name)
        await diana.begin_chat(model_id(company.id, "finance"))

        async def is_forgotten() -> bool:
            return FIGURE not in await diana.ask(QUESTION)

        await until(is_forgotten, seconds=READY_SECONDS)
        await diana.picture("forgotten")
        await diana.leave()


@pytest.mark.usefixtures("slow_direct_answers")
async def test_a_direct_answer_is_read_while_it_is_written(street: Street, plan: Path) -> None:
    async with street.company("riverside") as company:
        diana = await street.visitor(company.address("diana"))
        await share_plan(diana, company, plan)
        seen = await diana.watch(QUESTION)
        await diana.leave()
    assert FIGURE in seen[-1]
    beginnings = [text for text in seen if "The approved" in text and FIGURE not in text]
    assert beginnings, seen


async def test_nobody_of_another_company_sees_anything_of_it(street: Street, plan: Path) -> None:
    async with street.company("riverside") as company, street.company("hillside") as other:
        diana = await street.visitor(company.address("diana"))
        alice = await street.visitor(other.address("alice"))
        await share_plan(diana, company, plan)
        assert FIGURE in await diana.ask(QUESTION)
        files = await diana.fetch("/api/v1/files/")
        assert files
        (file_id,) = [each["id"] for each in json.loads(files)["items"]]
        knowledge = company.tenant.status.workspace
        assert knowledge
        theirs = model_id(company.id, "finance")
        assert await alice.models() == {"Hillside: Finance"}
        for path in (
            f"/api/v1/files/{file_id}",
            f"/api/v1/files/{file_id}/content",
            f"/api/v1/files/{file_id}/data/content",
            f"/api/v1/knowledge/{knowledge.knowledge[0].id}",
            f"/api/v1/knowledge/{knowledge.knowledge[0].id}/files",
            f"/api/v1/models/model?id={theirs}",
        ):
            assert await diana.fetch(path), path
            assert not await alice.fetch(path), path
        asked = {"messages": [{"role": "user", "content": QUESTION}], "stream": False}
        assert FIGURE not in str(await alice.fetch("/api/chat/completions", asked | {"model": theirs}))
        named = asked | {"model": model_id(other.id, "finance"), "files": [{"type": "file", "id": file_id}]}
        assert FIGURE not in str(await alice.fetch("/api/chat/completions", named))
        await alice.begin_chat(model_id(other.id, "finance"))
        assert FIGURE not in await alice.ask(QUESTION)
        await alice.picture("another-company")
        await diana.leave()
        await alice.leave()


async def test_a_suspended_company_is_told_so_in_a_sentence(street: Street, plan: Path) -> None:
    async with street.company("riverside") as company:
        diana = await street.visitor(company.address("diana"))
        await share_plan(diana, company, plan)
        assert FIGURE in await diana.ask(QUESTION)
        company.change(suspended=True)

        async def is_told() -> bool:
            answer = await diana.ask(QUESTION)
            assert FIGURE not in answer or "suspended" not in answer
            return "suspended" in answer

        await until(is_told, seconds=60)
        await diana.picture("suspended")
        company.change(suspended=False)
        await diana.leave()


async def test_a_stranger_with_a_verified_address_gets_in_and_one_without_does_not(street: Street) -> None:
    async with street.company("riverside") as company:
        newcomer = await street.visitor(company.address("nora"))
        assert await newcomer.models() == {"Riverside: Finance"}
        impostor = await street.visitor(company.address("mallory"), verified=False)
        assert await impostor.models() == set()
        await newcomer.leave()
        await impostor.leave()
