"""Tests that ingests are atomic, with concurrent readers and interrupted ingests."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from gateway.vectors import Vectors
from servicekit.errors import BackendUnavailable
from tenancy.names import derive_document_id

from tests.support.backends.keycloak_users import open_people
from tests.support.backends.qdrant import count_points
from tests.support.tenants.manifests import PLENTY, apply_tenants, make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .conftest import IntegrationHarness

CHUNKS = 6
NAME = "tide-table.txt"


class VersionedDocument:
    """The only document of a separate tenant; each chunk names its version."""

    def __init__(self, harness: IntegrationHarness, tenant_id: str) -> None:
        self.harness = harness
        self.key = f"tenant-{tenant_id}"
        self.path = f"/v1/documents/{derive_document_id(tenant_id, 'finance', NAME)}"

    async def publish(self, version: int) -> httpx.Response:
        sentence = f"Version {version} of the tide table of the estuary says high water at noon. "
        text = "\n\n".join(sentence * 15 for _ in range(CHUNKS))
        return await self.harness.upload(NAME, text.encode())

    async def read(self) -> list[str]:
        """Return the version of each chunk that a search finds."""
        passages = await self.harness.search("tide table of the estuary", topK=50)
        return [" ".join(passage["text"].split()[:2]) for passage in passages]

    async def count_points(self) -> int:
        return await count_points(self.harness.qdrant, self.key)


@pytest.fixture
async def document(harness: IntegrationHarness) -> AsyncIterator[VersionedDocument]:
    tenant_id = f"book-{uuid.uuid4().hex[:8]}"
    person = f"anna@{tenant_id}.example"
    people_of = {"emails": [f"*@{tenant_id}.example"]}
    with apply_tenants(harness.platform, make_tenant_manifest(tenant_id, identity=people_of, quota=PLENTY)):
        async with open_people(harness.platform) as people:
            await people.add(person)
            token = await people.fetch_token(person)
        await wait_until(lambda: harness.gateway.context.registry.get(tenant_id) is not None)
        yield VersionedDocument(replace(harness, token=token), tenant_id)


async def test_readers_see_one_complete_version_during_a_replacement(document: VersionedDocument) -> None:
    chunks = (await document.publish(0)).json()["chunks"]
    assert chunks >= CHUNKS
    done = asyncio.Event()

    async def publish_more() -> None:
        for number in range(1, 9):
            assert (await document.publish(number)).status_code == 201
        done.set()

    async def read() -> list[list[str]]:
        seen = []
        while not done.is_set():
            seen.append(await document.read())
        return seen

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish_more())
        readers = [tasks.create_task(read()) for _ in range(3)]
    seen = [versions for reader in readers for versions in reader.result()]
    assert len(seen) >= 6
    assert {len(set(versions)) for versions in seen} == {1}, "each search finds exactly one version"
    assert {len(versions) for versions in seen} == {chunks}, "each search finds all chunks of the version"
    assert set(await document.read()) == {"Version 8"}


@pytest.mark.parametrize("replaced", [False, True], ids=["a new document", "a new version"])
@pytest.mark.parametrize("cut", [1, 2, 3], ids=lambda cut: f"after {cut} writes")
async def test_an_interrupted_ingest_is_invisible_and_completed_by_the_next_one(
    document: VersionedDocument, monkeypatch: pytest.MonkeyPatch, cut: int, replaced: bool
) -> None:
    if replaced:
        await document.publish(100)
    before = await document.count_points()
    monkeypatch.setattr("gateway.documents.service.BATCH_SIZE", 2)
    upsert, writes = Vectors._upsert, 0

    async def fail_after_some_calls(self: Vectors, *arguments: Any) -> None:
        nonlocal writes
        if writes >= cut:  # several writes run concurrently
            raise BackendUnavailable("qdrant", "upsert", "cut off by the test")
        await upsert(self, *arguments)
        writes += 1

    monkeypatch.setattr(Vectors, "_upsert", fail_after_some_calls)
    assert (await document.publish(200)).status_code == 503
    assert set(await document.read()) == ({"Version 100"} if replaced else set())
    assert await document.count_points() > before, "the interrupted ingest left chunks"
    monkeypatch.setattr(Vectors, "_upsert", upsert)
    chunks = (await document.publish(200)).json()["chunks"]
    assert set(await document.read()) == {"Version 200"}
    assert await document.count_points() == before + (0 if replaced else chunks), (
        "no chunk of the interrupted ingest remains"
    )


async def test_an_interrupted_deletion_hides_the_document_and_can_be_repeated(
    document: VersionedDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    await document.publish(300)
    delete, calls = Vectors._delete, 0

    async def fail_after_some_calls(self: Vectors, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise BackendUnavailable("qdrant", "delete", "cut off by the test")
        await delete(self, *arguments)

    monkeypatch.setattr(Vectors, "_delete", fail_after_some_calls)
    assert (await document.harness.delete(document.path)).status_code == 503
    assert await document.read() == []
    monkeypatch.setattr(Vectors, "_delete", delete)
    assert (await document.harness.delete(document.path)).status_code == 204, "a repeated call completes it"
