"""Tests of an outage of n8n: uploads are stored and indexed later; chats fall back or report it quickly."""

import asyncio
import os
import time
from collections.abc import Sequence

import pytest
from tenancy.names import build_model_id

from tests.support.documents.uploads import SampleFile, make_sample_files, upload
from tests.support.faults.hanging import suspend_parts
from tests.support.faults.part_restarter import run_part_restarter
from tests.support.open_webui.clients import Person
from tests.support.tenants.temporary import TemporaryTenant
from tests.support.timing.waiting import wait_until

from .conftest import FaultHarness

pytestmark = [pytest.mark.programs, pytest.mark.timeout(1200)]

OUTAGE_SECONDS = float(os.environ.get("TENANTRY_TEST_OUTAGE_SECONDS", "20"))
"""Duration of the outage."""

N8N = ("n8n", "n8n-worker", "n8n-webhook")

READY_TIMEOUT_SECONDS = 60
"""Timeout until a file is ready."""

CATCH_UP_TIMEOUT_SECONDS = 60
"""Timeout until all files are ready after the outage; file-sync retries at least every 30 seconds."""

ANSWER_TIMEOUT_SECONDS = 10
"""Maximum time until an answer or an error message."""

PLAN = SampleFile("plan.md", b"# Plan\n\nThe approved marketing budget for 2026 is $5,000,000.")
QUESTION = "What is the approved marketing budget for 2026?"
EXPECTED_ANSWER = "$5,000,000"


async def test_uploads_are_stored_during_an_outage_and_chats_end_quickly(
    harness: FaultHarness,
) -> None:
    async with (
        harness.create_tenant("riverside") as tenant,
        run_part_restarter(harness.platform) as restarter,
    ):
        diana, token = await harness.log_in_member(tenant)
        model = build_model_id(tenant.id, "finance")
        await upload_files(diana, tenant, [PLAN])
        await wait_until(
            lambda: has_states(harness, token, {PLAN.name: "ready"}),
            seconds=READY_TIMEOUT_SECONDS,
            every=0.5,
        )
        with restarter.keep_down(*N8N):
            back = time.monotonic() + OUTAGE_SECONDS
            more = make_sample_files(tenant.id, 10)
            await upload_files(diana, tenant, more)
            safe = {file.name: "received" for file in more}
            await wait_until(
                lambda: has_states(harness, token, safe), seconds=READY_TIMEOUT_SECONDS, every=0.5
            )
            assert len(harness.ground_truth.read_stores([tenant.id], []).objects) == 1 + len(more)
            async with harness.webui.override_valves(fallback_to_direct=True):
                answer, seconds = await ask(diana, model)
                assert EXPECTED_ANSWER in answer
                print(f"the gateway answered directly after {seconds:.1f} s")
            async with harness.webui.override_valves(fallback_to_direct=False):
                answer, seconds = await ask(diana, model)
                assert answer == (
                    "The assistant's workflow cannot be reached right now. Try again in a few minutes."
                )
                print(f"the error message arrived after {seconds:.1f} s")
            await asyncio.sleep(max(back - time.monotonic(), 0))
            assert await has_states(harness, token, safe)
        await restarter.wait_until_healthy()
        returned = time.monotonic()
        expected_states = {file.name: "ready" for file in (PLAN, *more)}
        await wait_until(
            lambda: has_states(harness, token, expected_states), seconds=CATCH_UP_TIMEOUT_SECONDS, every=0.5
        )
        print(f"all files were ready {time.monotonic() - returned:.1f} s after the outage")
        async with harness.webui.override_valves(fallback_to_direct=False):
            assert EXPECTED_ANSWER in (await ask(diana, model))[0]


async def test_a_worker_that_hangs_delays_one_question_and_no_other(harness: FaultHarness) -> None:
    async with harness.create_tenant("lakeside") as tenant:
        diana, token = await harness.log_in_member(tenant)
        model = build_model_id(tenant.id, "finance")
        await upload_files(diana, tenant, [PLAN])
        await wait_until(
            lambda: has_states(harness, token, {PLAN.name: "ready"}),
            seconds=READY_TIMEOUT_SECONDS,
            every=0.5,
        )
        async with harness.webui.override_valves(fallback_to_direct=True, workflow_timeout_seconds=5.0):
            with suspend_parts(harness.platform, "n8n-worker"):
                for _ in range(2):
                    answer, seconds = await ask(diana, model)
                    assert EXPECTED_ANSWER in answer
                    print(f"the gateway answered after {seconds:.1f} s")


async def upload_files(person: Person, tenant: TemporaryTenant, files: Sequence[SampleFile]) -> None:
    """Upload files as a user."""
    for file in files:
        response = await upload(person, tenant.knowledge, file)
        assert response.is_success, response.text


async def has_states(harness: FaultHarness, token: str, states: dict[str, str]) -> bool:
    """Return True if all of these files of a user are in these states."""
    actual_states = {file["filename"]: file["state"] for file in await harness.list_files(token)}
    return states.items() <= actual_states.items()


async def ask(person: Person, model: str) -> tuple[str, float]:
    """Ask as the browser does; return the answer and its duration."""
    began = time.monotonic()
    chat = await person.ask_in_chat(model, QUESTION)
    seconds = time.monotonic() - began
    assert seconds < ANSWER_TIMEOUT_SECONDS
    return chat.content, seconds
