"""n8n is away: uploads are safe and catch up by themselves, a chat goes round it or says so at once."""

import asyncio
import os
import time
from collections.abc import Sequence

import pytest
from tenancy.names import model_id

from tests.support.companies import Company
from tests.support.hanging import hanging
from tests.support.kubelet import running_kubelet
from tests.support.open_webui import Person
from tests.support.uploads import SampleFile, sample_files, upload
from tests.support.waiting import until

from .conftest import Town

pytestmark = [pytest.mark.programs, pytest.mark.timeout(1200)]

OUTAGE_SECONDS = float(os.environ.get("TENANTRY_TEST_OUTAGE_SECONDS", "20"))
"""How long n8n is away."""

N8N = ("n8n", "n8n-worker", "n8n-webhook")

READY_SECONDS = 60
"""How long a file may take until answers know it, on a machine that runs everything."""

CAUGHT_UP_SECONDS = 60
"""How long files may take from n8n's return: file-sync knocks every 30 seconds at most."""

AT_ONCE_SECONDS = 10
"""How long somebody may wait for an answer, or for the sentence that says why there is none."""

PLAN = SampleFile("plan.md", b"# Plan\n\nThe approved marketing budget for 2026 is $5,000,000.")
QUESTION = "What is the approved marketing budget for 2026?"
FIGURE = "$5,000,000"


async def test_uploads_are_safe_while_n8n_is_away_and_catch_up_by_themselves_and_chats_end_at_once(
    town: Town,
) -> None:
    async with town.company("riverside") as company, running_kubelet(town.platform) as kubelet:
        diana, token = await town.employee(company)
        model = model_id(company.id, "finance")
        await given(diana, company, [PLAN])
        await until(lambda: has_all(town, token, {PLAN.name: "ready"}), seconds=READY_SECONDS, every=0.5)
        with kubelet.kept_down(*N8N):
            back = time.monotonic() + OUTAGE_SECONDS
            more = sample_files(company.id, 10)
            await given(diana, company, more)
            safe = {paper.name: "received" for paper in more}
            await until(lambda: has_all(town, token, safe), seconds=READY_SECONDS, every=0.5)
            assert len(town.truth.get_stored([company.id], []).objects) == 1 + len(more)
            async with town.webui.valves(fallback_to_direct=True):
                answer, seconds = await asked(diana, model)
                assert FIGURE in answer
                print(f"the gateway answered directly after {seconds:.1f} s")
            async with town.webui.valves(fallback_to_direct=False):
                answer, seconds = await asked(diana, model)
                assert answer == (
                    "The assistant's workflow cannot be reached right now. Try again in a few minutes."
                )
                print(f"the sentence came after {seconds:.1f} s")
            await asyncio.sleep(max(back - time.monotonic(), 0))
            assert await has_all(town, token, safe)
        await kubelet.ready()
        returned = time.monotonic()
        found = {paper.name: "ready" for paper in (PLAN, *more)}
        await until(lambda: has_all(town, token, found), seconds=CAUGHT_UP_SECONDS, every=0.5)
        print(f"all caught up {time.monotonic() - returned:.1f} s after n8n was back")
        async with town.webui.valves(fallback_to_direct=False):
            assert FIGURE in (await asked(diana, model))[0]


async def test_a_worker_that_hangs_delays_one_question_and_no_other(town: Town) -> None:
    async with town.company("lakeside") as company:
        diana, token = await town.employee(company)
        model = model_id(company.id, "finance")
        await given(diana, company, [PLAN])
        await until(lambda: has_all(town, token, {PLAN.name: "ready"}), seconds=READY_SECONDS, every=0.5)
        async with town.webui.valves(fallback_to_direct=True, workflow_seconds=5.0):
            with hanging(town.platform, "n8n-worker"):
                for _ in range(2):
                    answer, seconds = await asked(diana, model)
                    assert FIGURE in answer
                    print(f"the gateway answered after {seconds:.1f} s")


async def given(person: Person, company: Company, files: Sequence[SampleFile]) -> None:
    """Let somebody upload files."""
    for paper in files:
        response = await upload(person, company.knowledge, paper)
        assert response.is_success, response.text


async def has_all(town: Town, token: str, states: dict[str, str]) -> bool:
    """Tell whether all of these files of a person are in these states."""
    told = {each["filename"]: each["state"] for each in await town.files(token)}
    return states.items() <= told.items()


async def asked(person: Person, model: str) -> tuple[str, float]:
    """Ask as the browser does; return the answer, and how long it took."""
    began = time.monotonic()
    chat = await person.chat(model, QUESTION)
    seconds = time.monotonic() - began
    assert seconds < AT_ONCE_SECONDS
    return chat.content, seconds
