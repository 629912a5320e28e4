"""Tests of listing and deleting documents on the real bucket and index."""

import asyncio
import uuid

import pytest
from tenancy.names import derive_document_id
from tenancy.tickets import Ticket
from tenantry_local.parts.aws import BUCKET

from tests.support.backends.qdrant import count_points

from .conftest import TENANT, IntegrationHarness

KEY = f"tenant-{TENANT}"


async def test_a_document_is_listed_as_ready_if_it_is_indexed_else_as_received(
    harness: IntegrationHarness,
) -> None:
    uploaded = (await harness.upload("quay.txt", b"The quay is open on weekdays.")).json()
    waiting = Ticket(TENANT, harness.tenant.uid, "finance", uuid.uuid4().hex, "waiting.txt")
    s3 = harness.platform.parts["aws"].s3  # type: ignore[attr-defined]
    s3.put_object(Bucket=BUCKET, Key=waiting.object_key, Body=b"Not indexed yet.")
    ready = (await harness.get(f"/v1/documents/{uploaded['documentId']}")).json()
    assert {**ready, "storedAt": ""} == {
        "documentId": uploaded["documentId"],
        "personaId": "finance",
        "filename": "quay.txt",
        "size": 29,
        "storedAt": "",
        "state": "ready",
        "chunks": 1,
        "sha256": uploaded["sha256"],
        "problem": None,
    }
    received = (await harness.get(f"/v1/documents/{waiting.document_id}")).json()
    assert (received["state"], received["chunks"]) == ("received", 0)
    await harness.redeem(waiting)
    assert (await harness.get(f"/v1/documents/{waiting.document_id}")).json()["state"] == "ready"


async def test_every_document_is_on_exactly_one_page(harness: IntegrationHarness) -> None:
    for number in range(5):
        await harness.upload(f"page-{number}.txt", f"Entry {number} of the log.".encode())
    listed, cursor, pages = [], "", 0
    while True:
        response = await harness.get(f"/v1/documents?limit=2&personaId=finance{cursor}")
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page["documents"]) <= 2
        listed += [document["documentId"] for document in page["documents"]]
        pages += 1
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert pages >= 3
    assert len(listed) == len(set(listed))
    assert {derive_document_id(TENANT, "finance", f"page-{n}.txt") for n in range(5)} <= set(listed)


async def test_a_deleted_document_is_absent_from_search_list_index_and_bucket(
    harness: IntegrationHarness,
) -> None:
    before = await count_points(harness.qdrant, KEY)
    document_id = (await harness.upload("gone.txt", b"The ferry Albatross was sold.")).json()["documentId"]
    assert (await harness.search("ferry Albatross", topK=1))[0]["filename"] == "gone.txt"
    assert (await harness.delete(f"/v1/documents/{document_id}")).status_code == 204
    assert all(
        passage["filename"] != "gone.txt" for passage in await harness.search("ferry Albatross", topK=50)
    )
    assert (await harness.get(f"/v1/documents/{document_id}")).status_code == 404
    assert await count_points(harness.qdrant, KEY) == before
    s3 = harness.platform.parts["aws"].s3  # type: ignore[attr-defined]
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{KEY}/").get("Contents", [])
    left = {entry["Key"].split("/")[1] for entry in listed if document_id in entry["Key"]}
    assert left == {".trash"}, "only the trash keeps the document"
    assert (await harness.delete(f"/v1/documents/{document_id}")).status_code == 404


@pytest.mark.parametrize("attempt", range(5))
async def test_searches_during_a_delete_never_fail(harness: IntegrationHarness, attempt: int) -> None:
    name = f"moment-{attempt}.txt"
    document_id = (await harness.upload(name, b"The lock keeper sleeps at noon.")).json()["documentId"]
    deleting = asyncio.create_task(harness.delete(f"/v1/documents/{document_id}"))
    await asyncio.gather(*(harness.search("lock keeper", topK=5) for _ in range(10)))
    assert (await deleting).status_code == 204
    assert all(passage["filename"] != name for passage in await harness.search("lock keeper", topK=50))


@pytest.mark.parametrize("cursor", ["%", "a", "ÿ", "////", "_w=="])
async def test_an_invalid_cursor_is_refused(harness: IntegrationHarness, cursor: str) -> None:
    response = await harness.get("/v1/documents", params={"cursor": cursor})
    assert response.status_code in (200, 422)
    if response.status_code == 422:
        assert response.json()["type"].endswith("/cursor-refused")
