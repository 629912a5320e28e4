"""Test of the API's description against a running gateway with schemathesis.

Every operation is called with valid and invalid inputs: examples, boundary values, random values, sequences
of calls, and without credentials.
"""

import asyncio
import json
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from tenantry_local.context import CACHE
from tenantry_local.platform import Platform

from tests.support.backends.keycloak_users import open_people
from tests.support.backends.qdrant import make_collection, open_qdrant
from tests.support.programs.gateway import RunningGateway, run_gateway
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

TENANT = f"described-{secrets.token_hex(3)}"  # documents outlive their tenants
PERSON = f"anna@{TENANT}.example"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
HYPOTHESIS = CACHE / "hypothesis"
"""Folder in which hypothesis keeps tables of characters between runs; making them takes some seconds."""

HOOKS = Path(__file__).parents[2] / "support" / "pytest_setup" / "schemathesis_hooks.py"
CASES = 1200
"""Minimum number of test cases per operation."""

SUCCEEDED, REFUSED = 30, 3
"""Minimum numbers of successful and refused responses of each operation."""

SELDOM = {"DELETE /v1/documents/{documentId}": 5, "POST /v1/documents/{documentId}/restore": 1}
"""Minimum successes of operations that need an existing or removed document, which random calls rarely
name."""

# A schema cannot say which personas and documents exist, so dictionaries hold them. Other values are made up
# as well. A schema cannot state these rules either:
# - A cursor comes from an earlier response.
# - A file has a supported format.
# - The last message of a chat is the user's.
# - The first day comes before the last.
# - An idempotency key is new.
CONFIG = """
generation.deterministic = true
generation.database = "none"
generation.max-examples = 50
request-timeout = 30
continue-on-failure = true
hooks = "{hooks}"
headers = {{ Authorization = "Bearer {token}" }}

[dictionaries]
personas.values = ["finance"]
documents.values = {documents}
files.values = ["The marketing budget is $5,000,000.", "# Travel\\n\\nFirst class is for unknown."]

[parameters]
"query.personaId" = {{ dictionary = "personas", probability = 0.7 }}
"path.documentId" = {{ dictionary = "documents", probability = 0.5 }}
"body.personaId" = {{ dictionary = "personas", probability = 0.8 }}
"body.model" = {{ dictionary = "personas", probability = 0.8 }}
"body.file" = {{ dictionary = "files", probability = 0.8 }}

[[operations]]
include-name = [
    "GET /v1/documents", "POST /v1/documents", "POST /v1/chat/completions", "GET /v1/usage",
    "GET /v1/trash", "POST /v1/documents/{{documentId}}/restore",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 415, 422, 429]

# A removed document can be restored, and is found then.
[[operations]]
include-name = "GET /v1/documents/{{documentId}}"
checks.use_after_free.enabled = false

# Of chats most that are made up are refused: the schema cannot say enough of them.
[[operations]]
include-name = "POST /v1/chat/completions"
generation.max-examples = 100
"""


@dataclass
class Described:
    """A gateway, the token of a tenant's administrator, and the ids of documents that the tenant has."""

    gateway: RunningGateway
    token: str
    documents: list[str]


@pytest.fixture
async def target(platform: Platform) -> AsyncIterator[Described]:
    of_person = {"emails": [PERSON], "admins": [PERSON]}
    async with open_people(platform) as people, open_qdrant(platform) as qdrant:
        await make_collection(qdrant)
        await people.add(PERSON)
        with apply_tenants(platform, make_tenant_manifest(TENANT, identity=of_person, quota=PLENTY)):
            async with run_gateway(platform) as gateway:
                await wait_until(lambda: gateway.context.registry.get(TENANT) is not None)
                token = await people.fetch_token(PERSON)
                # The first name is the description's example, so later uploads create the document again.
                documents = [await upload(gateway, token, name) for name in ("budget-2026.md", "travel.md")]
                yield Described(gateway, token, documents)


async def upload(gateway: RunningGateway, token: str, name: str) -> str:
    """Store a document and return its id."""
    response = await gateway.http.post(
        "/v1/documents",
        headers={"Authorization": f"Bearer {token}"},
        files={"file": (name, b"The marketing budget for 2026 is $5,000,000.")},
        data={"personaId": "finance"},
    )
    assert response.status_code == 201, response.text
    document: str = response.json()["documentId"]
    return document


def count_responses(gateway: RunningGateway, status: str) -> dict[str, float]:
    """Return the number of each operation's responses with a class of status (``2xx``)."""
    name = "tenantry_gateway_request_seconds_count"
    paths = gateway.app.openapi()["paths"]
    return {
        f"{method.upper()} {path}": REGISTRY.get_sample_value(
            name, {"method": method.upper(), "route": path, "status": status}
        )
        or 0
        for path, methods in paths.items()
        for method in methods
    }


async def test_the_gateway_conforms_to_its_description(target: Described, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        CONFIG.format(
            token=target.token,
            documents=json.dumps(target.documents),
            hooks=HOOKS,
        )
    )
    succeeded, refused = count_responses(target.gateway, "2xx"), count_responses(target.gateway, "4xx")
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS,
        f"--config-file={config}",
        "run",
        f"{target.gateway.url}/openapi.json",
        "--no-color",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(HYPOTHESIS)},
    )
    output, _ = await process.communicate()
    report = output.decode()
    assert process.returncode == 0, report
    assert re.search(r"Selected: (\d+)/\1\s+Tested: \1\s", report), report
    cases = re.search(r"(\d+) generated", report)
    assert cases
    assert int(cases[1]) >= CASES, report
    # Otherwise no call would have passed the authentication.
    for status, before, least, seldom in (
        ("2xx", succeeded, SUCCEEDED, SELDOM),
        ("4xx", refused, REFUSED, {}),
    ):
        after = count_responses(target.gateway, status)
        few = {name for name in after if after[name] - before[name] < seldom.get(name, least)}
        assert not few, (status, before, after)
