"""The API's description, held against a running gateway by schemathesis: what it says is what happens.

Every operation is called with what its description allows and with what it does not: examples, the edges of
each schema, random values, sequences of calls, no credentials.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tenantry_local.platform import Platform

from tests.support.gateway import RunningGateway, running_gateway
from tests.support.people import open_people
from tests.support.tenants import PLENTY, applied, tenant_manifest
from tests.support.waiting import until

TENANT = "described"
PERSON = f"anna@{TENANT}.example"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CASES = 2000
"""Fewer would mean that it did not get far."""

# What no schema can say: a cursor is one that was given out, a file is of a format that is read, the last
# message of a chat is the user's, and the first day comes before the last. use_after_free is off because one
# idempotency key is sent in several sequences: a second deletion with it is answered as the first one was,
# and the document, stored anew meanwhile, is rightly there.
CONFIG = """
generation.deterministic = true
generation.database = "none"
generation.max-examples = 120
request-timeout = 30
continue-on-failure = true
headers = {{ Authorization = "Bearer {token}" }}

[checks]
use_after_free.enabled = false

[[operations]]
include-name = ["GET /v1/documents", "POST /v1/documents", "POST /v1/chat/completions", "GET /v1/usage"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 415, 422, 429]
"""


@pytest.fixture
async def described(platform: Platform) -> AsyncIterator[tuple[RunningGateway, str]]:
    """A gateway, and the token of an administrator of a tenant with documents to lose."""
    people_of = {"emails": [PERSON], "admins": [PERSON]}
    async with open_people(platform) as people:
        await people.add(PERSON)
        with applied(platform, tenant_manifest(TENANT, identity=people_of, quota=PLENTY)):
            async with running_gateway(platform) as gateway:
                await until(lambda: gateway.context.registry.get(TENANT) is not None)
                token = await people.token(PERSON)
                planted = await gateway.http.post(
                    "/v1/documents",
                    files={"file": ("budget.md", "The approved marketing budget for 2026 is $5,000,000.")},
                    data={"personaId": "finance"},
                    headers={"Authorization": f"Bearer {token}"},
                )
                assert planted.status_code == 201
                yield gateway, token


async def test_the_gateway_does_what_its_description_says(
    described: tuple[RunningGateway, str], tmp_path: Path
) -> None:
    gateway, token = described
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(token=token))
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS,
        f"--config-file={config}",
        "run",
        f"{gateway.url}/openapi.json",
        "--no-color",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    output, _ = await process.communicate()
    said = output.decode()
    assert process.returncode == 0, said
    assert re.search(r"Selected: (\d+)/\1\s+Tested: \1\s", said), said
    cases = re.search(r"(\d+) generated", said)
    assert cases
    assert int(cases[1]) >= CASES, said
