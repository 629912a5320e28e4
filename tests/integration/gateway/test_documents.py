"""Tests of uploads and ingests by ticket on real backends."""

import asyncio
import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from qdrant_client import models
from tenancy.names import COLLECTION, build_object_key, derive_document_id
from tenancy.tickets import Ticket
from tenantry_local.parts.aws import BUCKET

from tests.support.backends.qdrant import count_points
from tests.support.documents.files import make_docx, make_encrypted_pdf, make_pdf

from .conftest import TENANT, IntegrationHarness

KEY = f"tenant-{TENANT}"


def make_key(name: str) -> str:
    return build_object_key(TENANT, "finance", derive_document_id(TENANT, "finance", name), name)


def get_object(harness: IntegrationHarness, name: str) -> Any:
    return harness.platform.parts["aws"].s3.get_object(Bucket=BUCKET, Key=make_key(name))  # type: ignore[attr-defined]


async def list_payloads(harness: IntegrationHarness, name: str) -> list[dict[str, Any]]:
    """Return the payloads of a document's points in the order of its chunks."""
    document = models.FieldCondition(
        key="documentId", match=models.MatchValue(value=derive_document_id(TENANT, "finance", name))
    )
    points, _ = await harness.qdrant.scroll(COLLECTION, models.Filter(must=[document]), limit=10_000)
    return sorted((point.payload or {} for point in points), key=lambda payload: payload["chunk"])


@pytest.mark.parametrize(
    ("name", "content", "page"),
    [
        pytest.param("tour.txt", b"The tour of the plant starts at the red gate.", None, id="text"),
        pytest.param("menu.md", b"# Canteen\n\nFriday is soup day in the canteen.", None, id="markdown"),
        pytest.param(
            "parking.html", b"<html><p>Parking lot C closes at <b>ten</b>.</p></html>", None, id="html"
        ),
        pytest.param("safety.pdf", make_pdf("Cover.", "Helmets are stored in room 12."), 2, id="pdf"),
        pytest.param("travel.docx", make_docx("Trips by train are paid in first class."), None, id="docx"),
    ],
)
async def test_every_format_is_stored_indexed_and_found(
    harness: IntegrationHarness, name: str, content: bytes, page: int | None
) -> None:
    response = await harness.upload(name, content)
    assert response.status_code == 201, response.text
    described = response.json()
    stored = get_object(harness, name)
    digest = hashlib.sha256(content).hexdigest()
    assert stored["Body"].read() == content
    assert stored["Metadata"]["sha256"] == described["sha256"] == digest
    assert stored["ServerSideEncryption"] == "AES256"
    chunk = described["chunks"] - 1
    payload = (await list_payloads(harness, name))[-1]
    (passage,) = await harness.search(payload["text"], topK=1)
    assert (passage["filename"], passage["page"]) == (name, page)
    created_at = datetime.fromisoformat(payload.pop("createdAt"))
    assert abs(created_at - stored["LastModified"]) < timedelta(minutes=1)
    assert payload.pop("etag", stored["ETag"]) == stored["ETag"], "the first chunk contains it"
    assert payload == {
        "tenantId": KEY,
        "tenantUid": harness.tenant.uid,
        "personaId": "finance",
        "documentId": described["documentId"],
        "chunk": chunk,
        "chunks": described["chunks"],
        "text": passage["text"],
        "heading": passage["heading"],
        "filename": name,
        "page": page,
        "sha256": digest,
        "version": payload["version"],
    }


async def test_a_repeated_upload_creates_no_duplicates(harness: IntegrationHarness) -> None:
    content = b"The lighthouse blinks twice a minute."
    await harness.upload("lighthouse.txt", content)
    before = await count_points(harness.qdrant, KEY)
    assert (await harness.upload("lighthouse.txt", content)).status_code == 201
    assert await count_points(harness.qdrant, KEY) == before


async def test_a_shorter_version_leaves_no_old_chunks(harness: IntegrationHarness) -> None:
    long = " ".join(f"Paragraph {n} speaks of the harbour and of its {n} cranes." for n in range(200))
    chunks = (await harness.upload("harbour.txt", long.encode())).json()["chunks"]
    before = await count_points(harness.qdrant, KEY)
    await harness.upload("harbour.txt", b"The harbour is closed.")
    assert chunks > 3
    assert await count_points(harness.qdrant, KEY) == before - chunks + 1
    assert [p["text"] for p in await list_payloads(harness, "harbour.txt")] == ["The harbour is closed."]


async def test_concurrent_uploads_of_one_name_leave_object_and_index_consistent(
    harness: IntegrationHarness,
) -> None:
    contents = [f"Version {n} of the timetable of the ferry.".encode() for n in range(6)]
    responses = await asyncio.gather(*(harness.upload("ferry.txt", content) for content in contents))
    assert {response.status_code for response in responses} == {201}
    stored = get_object(harness, "ferry.txt")["Body"].read()
    (payload,) = await list_payloads(harness, "ferry.txt")
    assert payload["text"].encode() == stored


async def test_a_ticket_indexes_a_stored_object(harness: IntegrationHarness) -> None:
    ticket = Ticket(TENANT, harness.tenant.uid, "finance", "3f0c", "Bericht ü.txt")
    s3 = harness.platform.parts["aws"].s3  # type: ignore[attr-defined]
    s3.put_object(Bucket=BUCKET, Key=ticket.object_key, Body=b"The observatory opens on clear nights.")
    response = await harness.redeem(ticket)
    assert response.status_code == 201, response.text
    assert response.json()["documentId"] == "3f0c"
    (passage,) = await harness.search("When does the observatory open?", topK=1)
    assert passage["filename"] == "Bericht ü.txt"


async def test_a_ticket_for_a_missing_object_is_404(harness: IntegrationHarness) -> None:
    response = await harness.redeem(Ticket(TENANT, harness.tenant.uid, "finance", "gone", "gone.txt"))
    assert response.status_code == 404
    assert response.json()["type"].endswith("/document-missing")


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        pytest.param("empty.txt", b"", 422, id="empty"),
        pytest.param("really-text.pdf", b"Text.", 415, id="mislabelled"),
        pytest.param("locked.pdf", make_encrypted_pdf("secret"), 422, id="encrypted"),
        pytest.param("broken.docx", make_docx("x")[:300], 422, id="corrupt"),
        pytest.param("huge.txt", b"a" * (50 * 1024 * 1024 + 1), 413, id="huge"),
        pytest.param("a/b.txt", b"Text.", 422, id="path-as-name"),
    ],
)
async def test_an_invalid_file_is_refused_with_the_reason_and_not_stored(
    harness: IntegrationHarness, name: str, content: bytes, status: int
) -> None:
    points = await count_points(harness.qdrant, KEY)
    s3 = harness.platform.parts["aws"].s3  # type: ignore[attr-defined]
    objects = s3.list_object_versions(Bucket=BUCKET, Prefix=f"{KEY}/")["Versions"]
    response = await harness.upload(name, content)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert await count_points(harness.qdrant, KEY) == points
    assert s3.list_object_versions(Bucket=BUCKET, Prefix=f"{KEY}/")["Versions"] == objects
