"""Tests of an upload in Open WebUI through all parts of the platform."""

from functools import partial

from tenancy.names import build_model_id

from tests.support.documents.uploads import SampleFile, upload
from tests.support.open_webui.clients import Person
from tests.support.timing.waiting import wait_until

from .browser_clients import log_in_users
from .demo import ALICE, DIANA
from .installation import Installation

FINANCE = build_model_id("tenantb", "finance")
QUESTION = "How many parking spaces does the depot in Bremen have?"
FACT = "The depot in Bremen has 47 parking spaces."

TIMEOUT_SECONDS = 120
"""Timeout from the upload to the first correct answer, on a busy single node."""


async def test_an_uploaded_file_is_answered_from_only_for_its_tenant(demo_installation: Installation) -> None:
    async with log_in_users(demo_installation, DIANA, ALICE) as (diana, alice):
        await wait_until(partial(_is_offered, diana), seconds=30, every=1)
        await upload(
            diana, await _get_knowledge_id(diana), SampleFile("depot.md", f"# Depot\n\n{FACT}".encode())
        )
        await wait_until(partial(_is_answered, diana), seconds=TIMEOUT_SECONDS, every=1)
        assert FINANCE not in await alice.list_models()
        refused = await alice.ask(FINANCE, QUESTION)
        assert "47" not in refused.text


async def _is_offered(person: Person) -> bool:
    return FINANCE in await person.list_models()


async def _is_answered(person: Person) -> bool:
    answer = await person.ask(FINANCE, QUESTION)
    return answer.is_success and "47" in answer.json()["choices"][0]["message"]["content"]


async def _get_knowledge_id(person: Person) -> str:
    """Return the id of the finance persona's knowledge base."""
    (found,) = [
        item for item in (await person.get("/api/v1/knowledge/"))["items"] if "Finance" in item["name"]
    ]
    identifier: str = found["id"]
    return identifier
