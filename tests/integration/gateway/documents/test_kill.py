"""Tests of a gateway that is killed with SIGKILL during writes: another gateway completes them."""

import asyncio
import uuid
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tenancy.names import build_ingests_key, derive_document_id
from tenantry_local.platform import Platform

from tests.integration.gateway.conftest import IntegrationHarness
from tests.support.backends.keycloak_users import open_people
from tests.support.backends.qdrant import count_points
from tests.support.programs.gateway_process import run_gateway_process
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

DOCUMENTS = 12
HALF = DOCUMENTS // 2
"""Number of documents that have an earlier version."""

TIMEOUT_SECONDS = 300
"""Guard against hanging; leases of a dead gateway expire after 30 seconds, and repairs run every 15."""


def make_text(number: int, version: str) -> bytes:
    sentence = f"The {version} version of ledger {number} says that the tide is high at noon. "
    return "\n\n".join(sentence * 15 for _ in range(20)).encode()


@dataclass
class DocumentOwner:
    """A person with documents, who can call any gateway."""

    tenant_id: str
    tenant_uid: str
    token: str

    async def upload(self, http: httpx.AsyncClient, number: int, version: str) -> int:
        """Upload a document; return the status, or 0 if the gateway died before its response."""
        with suppress(httpx.TransportError):
            response = await http.post(
                "/v1/documents",
                files={"file": (f"ledger-{number}.txt", make_text(number, version))},
                data={"personaId": "finance"},
                headers={"Authorization": f"Bearer {self.token}"},
            )
            return response.status_code
        return 0

    async def remove_or_restore(self, http: httpx.AsyncClient, number: int, *, restore: bool) -> int:
        """Remove or restore a document; return the status, or 0 if the gateway died before its response."""
        document_id = derive_document_id(self.tenant_id, "finance", f"ledger-{number}.txt")
        method, path = ("POST", f"/{document_id}/restore") if restore else ("DELETE", f"/{document_id}")
        with suppress(httpx.TransportError):
            headers = {"Authorization": f"Bearer {self.token}"}
            return (await http.request(method, f"/v1/documents{path}", headers=headers)).status_code
        return 0

    async def list_trash(self, http: httpx.AsyncClient) -> set[str]:
        """Return the names of the removed documents that can be restored."""
        response = await http.get("/v1/trash", headers={"Authorization": f"Bearer {self.token}"})
        return {document["filename"] for document in response.json()["documents"]}

    async def get_states(self, http: httpx.AsyncClient) -> dict[str, str]:
        """Return the state of each document by its name."""
        response = await http.get("/v1/documents", headers={"Authorization": f"Bearer {self.token}"})
        return {document["filename"]: document["state"] for document in response.json()["documents"]}

    async def list_found(self, http: httpx.AsyncClient, number: int) -> set[str]:
        """Return the versions of a document that a search finds."""
        response = await http.post(
            "/v1/search",
            json={"query": f"version of ledger {number}", "topK": 50},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        own = derive_document_id(self.tenant_id, "finance", f"ledger-{number}.txt")
        texts = [passage["text"] for passage in response.json()["passages"] if passage["documentId"] == own]
        return {text.split()[1] for text in texts}


@pytest.fixture
async def person(platform: Platform, harness: IntegrationHarness) -> AsyncIterator[DocumentOwner]:
    tenant_id = f"killed-{uuid.uuid4().hex[:8]}"
    email = f"anna@{tenant_id}.example"
    with apply_tenants(platform, make_tenant_manifest(tenant_id, identity={"emails": [email]}, quota=PLENTY)):
        async with open_people(platform) as people:
            await people.add(email)
            await wait_until(lambda: harness.gateway.context.registry.get(tenant_id) is not None)
            known = harness.gateway.context.registry.get(tenant_id)
            assert known
            yield DocumentOwner(tenant_id, known.uid, await people.fetch_token(email))


async def test_after_a_kill_during_uploads_every_document_is_complete(
    platform: Platform, harness: IntegrationHarness, person: DocumentOwner, redis_client: Any
) -> None:
    survivor = harness.gateway.http
    for number in range(HALF):
        assert await person.upload(survivor, number, "old") == 201
    async with run_gateway_process(platform, http_timeout=60, log=DEVNULL) as victim:
        uploads = [
            asyncio.create_task(person.upload(victim.http, number, "new")) for number in range(DOCUMENTS)
        ]
        await asyncio.wait(uploads, return_when=asyncio.FIRST_COMPLETED)
        victim.process.kill()
        statuses = await asyncio.gather(*uploads)
    assert 201 in statuses
    assert 0 in statuses, "some uploads were interrupted"

    async def is_settled() -> bool:
        return set((await person.get_states(survivor)).values()) == {"ready"} and not await read_entries(
            redis_client, person
        )

    try:
        await wait_until(is_settled, seconds=TIMEOUT_SECONDS)
    except TimeoutError:
        states, intents = await person.get_states(survivor), await read_entries(redis_client, person)
        pytest.fail(f"{states}; {intents}; ended: {harness.gateway.context.readiness.ended}")
    states = await person.get_states(survivor)
    for number, status in enumerate(statuses):
        versions = await person.list_found(survivor, number)
        assert len(versions) <= 1, "a search finds only one version"
        if status == 201:
            assert versions == {"new"}, number
        if number < HALF:
            assert versions <= {"old", "new"}
            assert versions, "the earlier version is still found"
        assert bool(versions) is (f"ledger-{number}.txt" in states), (
            "each document is in both bucket and index, or in neither"
        )
    listed = (await survivor.get("/v1/documents", headers={"Authorization": f"Bearer {person.token}"})).json()
    points = sum(document["chunks"] for document in listed["documents"])
    assert await count_points(harness.qdrant, f"tenant-{person.tenant_id}") == points, (
        "no chunk of another version remains"
    )


@pytest.mark.parametrize("restore", [False, True], ids=["removals", "restores"])
async def test_after_a_kill_during_removals_each_document_is_found_or_in_the_trash(
    platform: Platform, harness: IntegrationHarness, person: DocumentOwner, redis_client: Any, restore: bool
) -> None:
    survivor = harness.gateway.http
    for number in range(DOCUMENTS):
        assert await person.upload(survivor, number, "old") == 201
        if restore:
            assert await person.remove_or_restore(survivor, number, restore=False) == 204
    async with run_gateway_process(platform, http_timeout=60, log=DEVNULL) as victim:
        moves = [
            asyncio.create_task(person.remove_or_restore(victim.http, number, restore=restore))
            for number in range(DOCUMENTS)
        ]
        await asyncio.wait(moves, return_when=asyncio.FIRST_COMPLETED)
        victim.process.kill()
        statuses = await asyncio.gather(*moves)
    done = 201 if restore else 204
    assert done in statuses
    assert 0 in statuses, "some uploads were interrupted"

    async def is_settled() -> bool:
        return set((await person.get_states(survivor)).values()) <= {"ready"} and not await read_entries(
            redis_client, person
        )

    await wait_until(is_settled, seconds=TIMEOUT_SECONDS)
    states, trash = await person.get_states(survivor), await person.list_trash(survivor)
    for number, status in enumerate(statuses):
        name, versions = f"ledger-{number}.txt", await person.list_found(survivor, number)
        assert (name in states) != (name in trash), "each document is either found or in the trash"
        assert bool(versions) is (name in states)
        if status == done:
            assert (name in states) is restore
    for name in trash:
        assert (
            await person.remove_or_restore(survivor, int(name.split("-")[1].split(".")[0]), restore=True)
            == 201
        )
    listed = (await survivor.get("/v1/documents", headers={"Authorization": f"Bearer {person.token}"})).json()
    points = sum(document["chunks"] for document in listed["documents"])
    assert len(listed["documents"]) == DOCUMENTS
    assert await count_points(harness.qdrant, f"tenant-{person.tenant_id}") == points, (
        "no chunk of another version remains"
    )


async def read_entries(redis_client: Any, person: DocumentOwner) -> Any:
    return await redis_client.hgetall(build_ingests_key(person.tenant_id, person.tenant_uid))
