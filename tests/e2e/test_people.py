"""What people see: they log in, upload a file and ask, through every part of the platform."""

from functools import partial

from tenancy.names import model_id

from tests.support.open_webui import Person
from tests.support.uploads import SampleFile, upload
from tests.support.waiting import until

from .demo import ALICE, DIANA
from .forwarded import logged_in
from .installation import Installation

FINANCE = model_id("tenantb", "finance")
QUESTION = "How many parking spaces does the depot in Bremen have?"
FACT = "The depot in Bremen has 47 parking spaces."

PATIENCE_SECONDS = 120
"""From Open WebUI through S3, file-sync, n8n and the gateway into the index; on a small node that is busy."""


async def test_a_file_that_is_uploaded_becomes_an_answer_for_its_tenant_alone(filled: Installation) -> None:
    async with logged_in(filled, DIANA, ALICE) as (diana, alice):
        await until(partial(_is_offered, diana), seconds=30, every=1)
        await upload(diana, await _knowledge(diana), SampleFile("depot.md", f"# Depot\n\n{FACT}".encode()))
        await until(partial(_is_answered, diana), seconds=PATIENCE_SECONDS, every=1)
        assert FINANCE not in await alice.models()
        refused = await alice.ask(FINANCE, QUESTION)
        assert "47" not in refused.text


async def _is_offered(person: Person) -> bool:
    return FINANCE in await person.models()


async def _is_answered(person: Person) -> bool:
    answer = await person.ask(FINANCE, QUESTION)
    return answer.is_success and "47" in answer.json()["choices"][0]["message"]["content"]


async def _knowledge(person: Person) -> str:
    """Return the id of the knowledge base of finance."""
    (found,) = [
        item for item in (await person.get("/api/v1/knowledge/"))["items"] if "Finance" in item["name"]
    ]
    identifier: str = found["id"]
    return identifier
