"""Browser tests of Open WebUI: login, upload, answers with sources, and isolation between tenants."""

import json
import time
from pathlib import Path

import pytest
from tenancy.names import build_model_id

from tests.support.open_webui.browser import BrowserSession
from tests.support.tenants.temporary import TemporaryTenant
from tests.support.timing.waiting import wait_until

from .conftest import BrowserHarness

pytestmark = [pytest.mark.programs, pytest.mark.timeout(900)]

QUESTION = "What is the approved marketing budget for 2026?"
EXPECTED_ANSWER = "$5,000,000"
READY_TIMEOUT_SECONDS = 30
"""Timeout from the upload of a file until it is ready."""


async def wait_until_ready(session: BrowserSession, name: str) -> None:
    """Wait until the chat lists a file as ready."""

    async def is_listed_as_ready() -> bool:
        answer = await session.ask("/files")
        return name in answer and "ready" in answer.lower()

    await wait_until(is_listed_as_ready, seconds=READY_TIMEOUT_SECONDS)


async def upload_plan(session: BrowserSession, tenant: TemporaryTenant, plan: Path) -> None:
    """Upload the plan into the finance knowledge base, open a chat and wait until the plan is ready."""
    await session.open_knowledge(f"{tenant.resource.spec.display_name}: Finance")
    await session.upload(plan)
    await session.save_screenshot("knowledge")
    await session.begin_chat(build_model_id(tenant.id, "finance"))
    await wait_until_ready(session, plan.name)


async def test_an_answer_cites_an_uploaded_file_until_the_file_is_deleted(
    harness: BrowserHarness, plan: Path
) -> None:
    async with harness.create_tenant("riverside") as tenant:
        diana = await harness.open_session(tenant.make_address("diana"))
        await diana.save_screenshot("first-page")
        assert await diana.list_models() == {"Riverside: Finance"}
        started = time.monotonic()
        await upload_plan(diana, tenant, plan)
        assert time.monotonic() - started < READY_TIMEOUT_SECONDS + 10
        await diana.save_screenshot("files")
        answer = await diana.ask(QUESTION)
        assert EXPECTED_ANSWER in answer
        await diana.save_screenshot("answer")
        source = await diana.open_source(f"{plan.name}, page 2")
        assert "The approved marketing budget for 2026 is $5,000,000." in source
        await diana.save_screenshot("source")
        await diana.page.keyboard.press("Escape")
        answer = await diana.ask("Who won the football cup in 1974?")
        assert "do not contain the answer" in answer
        assert "source" not in answer.lower().replace("without a source", "")
        await diana.save_screenshot("unknown")
        await diana.open_knowledge("Riverside: Finance")
        await diana.delete_file(plan.name)
        await diana.begin_chat(build_model_id(tenant.id, "finance"))

        async def is_forgotten() -> bool:
            return EXPECTED_ANSWER not in await diana.ask(QUESTION)

        await wait_until(is_forgotten, seconds=READY_TIMEOUT_SECONDS)
        await diana.save_screenshot("forgotten")
        await diana.close()


@pytest.mark.usefixtures("slow_direct_answers")
async def test_a_direct_answer_is_shown_while_it_streams(harness: BrowserHarness, plan: Path) -> None:
    async with harness.create_tenant("riverside") as tenant:
        diana = await harness.open_session(tenant.make_address("diana"))
        await upload_plan(diana, tenant, plan)
        seen = await diana.watch(QUESTION)
        await diana.close()
    assert EXPECTED_ANSWER in seen[-1]
    beginnings = [text for text in seen if "The approved" in text and EXPECTED_ANSWER not in text]
    assert beginnings, seen


async def test_a_user_of_another_tenant_sees_nothing(harness: BrowserHarness, plan: Path) -> None:
    async with harness.create_tenant("riverside") as tenant, harness.create_tenant("hillside") as other:
        diana = await harness.open_session(tenant.make_address("diana"))
        alice = await harness.open_session(other.make_address("alice"))
        await upload_plan(diana, tenant, plan)
        assert EXPECTED_ANSWER in await diana.ask(QUESTION)
        files = await diana.fetch("/api/v1/files/")
        assert files
        (file_id,) = [item["id"] for item in json.loads(files)["items"]]
        knowledge = tenant.resource.status.workspace
        assert knowledge
        theirs = build_model_id(tenant.id, "finance")
        assert await alice.list_models() == {"Hillside: Finance"}
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
        assert EXPECTED_ANSWER not in str(
            await alice.fetch("/api/chat/completions", asked | {"model": theirs})
        )
        named = asked | {
            "model": build_model_id(other.id, "finance"),
            "files": [{"type": "file", "id": file_id}],
        }
        assert EXPECTED_ANSWER not in str(await alice.fetch("/api/chat/completions", named))
        await alice.begin_chat(build_model_id(other.id, "finance"))
        assert EXPECTED_ANSWER not in await alice.ask(QUESTION)
        await alice.save_screenshot("another-tenant")
        await diana.close()
        await alice.close()


async def test_a_user_of_a_suspended_tenant_sees_the_reason(harness: BrowserHarness, plan: Path) -> None:
    async with harness.create_tenant("riverside") as tenant:
        diana = await harness.open_session(tenant.make_address("diana"))
        await upload_plan(diana, tenant, plan)
        assert EXPECTED_ANSWER in await diana.ask(QUESTION)
        tenant.change(suspended=True)

        async def is_reported() -> bool:
            answer = await diana.ask(QUESTION)
            assert EXPECTED_ANSWER not in answer or "suspended" not in answer
            return "suspended" in answer

        await wait_until(is_reported, seconds=60)
        await diana.save_screenshot("suspended")
        tenant.change(suspended=False)
        await diana.close()


async def test_only_a_verified_address_admits_a_new_user(harness: BrowserHarness) -> None:
    async with harness.create_tenant("riverside") as tenant:
        nora = await harness.open_session(tenant.make_address("nora"))
        assert await nora.list_models() == {"Riverside: Finance"}
        mallory = await harness.open_session(tenant.make_address("mallory"), verified=False)
        assert await mallory.list_models() == set()
        await nora.close()
        await mallory.close()
