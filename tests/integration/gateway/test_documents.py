"""Documents on the real backends: in by form and by ticket, in S3 and in the index, again and changed."""

import asyncio
import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from qdrant_client import models
from tenancy.names import COLLECTION, document_id_for, object_key
from tenancy.tickets import Ticket
from tenantry_local.parts.aws import BUCKET

from tests.support.files import docx_file, encrypted_pdf, pdf_file
from tests.support.qdrant import count_points

from .conftest import TENANT, World

KEY = f"tenant-{TENANT}"


def key_of(name: str) -> str:
    return object_key(TENANT, "finance", document_id_for(TENANT, "finance", name), name)


def object_in(world: World, name: str) -> Any:
    return world.platform.parts["aws"].s3.get_object(Bucket=BUCKET, Key=key_of(name))  # type: ignore[attr-defined]


async def payloads(world: World, name: str) -> list[dict[str, Any]]:
    """Return the payloads of a document's points in the order of its chunks."""
    document = models.FieldCondition(
        key="documentId", match=models.MatchValue(value=document_id_for(TENANT, "finance", name))
    )
    points, _ = await world.qdrant.scroll(COLLECTION, models.Filter(must=[document]), limit=10_000)
    return sorted((point.payload or {} for point in points), key=lambda payload: payload["chunk"])


@pytest.mark.parametrize(
    ("name", "content", "page"),
    [
        pytest.param("tour.txt", b"The tour of the plant starts at the red gate.", None, id="text"),
        pytest.param("menu.md", b"# Canteen\n\nFriday is soup day in the canteen.", None, id="markdown"),
        pytest.param(
            "parking.html", b"<html><p>Parking lot C closes at <b>ten</b>.</p></html>", None, id="html"
        ),
        pytest.param("safety.pdf", pdf_file("Cover.", "Helmets are stored in room 12."), 2, id="pdf"),
        pytest.param("travel.docx", docx_file("Trips by train are paid in first class."), None, id="docx"),
    ],
)
async def test_every_format_is_stored_indexed_and_found(
    world: World, name: str, content: bytes, page: int | None
) -> None:
    response = await world.upload(name, content)
    assert response.status_code == 201, response.text
    described = response.json()
    stored = object_in(world, name)
    digest = hashlib.sha256(content).hexdigest()
    assert stored["Body"].read() == content
    assert stored["Metadata"]["sha256"] == described["sha256"] == digest
    assert stored["ServerSideEncryption"] == "AES256"
    chunk = described["chunks"] - 1
    payload = (await payloads(world, name))[-1]
    (found,) = await world.search(payload["text"], topK=1)
    assert (found["filename"], found["page"]) == (name, page)
    created_at = datetime.fromisoformat(payload.pop("createdAt"))
    assert abs(created_at - stored["LastModified"]) < timedelta(minutes=1)
    assert payload.pop("etag", stored["ETag"]) == stored["ETag"], "it stands in the first chunk"
    assert payload == {
        "tenantId": KEY,
        "tenantUid": world.tenant.uid,
        "personaId": "finance",
        "documentId": described["documentId"],
        "chunk": chunk,
        "chunks": described["chunks"],
        "text": found["text"],
        "heading": found["heading"],
        "filename": name,
        "page": page,
        "sha256": digest,
        "version": payload["version"],
    }


async def test_the_same_document_again_doubles_nothing(world: World) -> None:
    content = b"The lighthouse blinks twice a minute."
    await world.upload("lighthouse.txt", content)
    before = await count_points(world.qdrant, KEY)
    assert (await world.upload("lighthouse.txt", content)).status_code == 201
    assert await count_points(world.qdrant, KEY) == before


async def test_a_shorter_content_leaves_nothing_of_the_longer_one(world: World) -> None:
    long = " ".join(f"Paragraph {n} speaks of the harbour and of its {n} cranes." for n in range(200))
    chunks = (await world.upload("harbour.txt", long.encode())).json()["chunks"]
    before = await count_points(world.qdrant, KEY)
    await world.upload("harbour.txt", b"The harbour is closed.")
    assert chunks > 3
    assert await count_points(world.qdrant, KEY) == before - chunks + 1
    assert [p["text"] for p in await payloads(world, "harbour.txt")] == ["The harbour is closed."]


async def test_two_uploads_of_one_name_at_once_leave_object_and_index_the_same(world: World) -> None:
    contents = [f"Version {n} of the timetable of the ferry.".encode() for n in range(6)]
    responses = await asyncio.gather(*(world.upload("ferry.txt", content) for content in contents))
    assert {response.status_code for response in responses} == {201}
    stored = object_in(world, "ferry.txt")["Body"].read()
    (payload,) = await payloads(world, "ferry.txt")
    assert payload["text"].encode() == stored


async def test_a_ticket_has_a_stored_object_indexed(world: World) -> None:
    ticket = Ticket(TENANT, world.tenant.uid, "finance", "3f0c", "Bericht ü.txt")
    s3 = world.platform.parts["aws"].s3  # type: ignore[attr-defined]
    s3.put_object(Bucket=BUCKET, Key=ticket.object_key, Body=b"The observatory opens on clear nights.")
    response = await world.redeem(ticket)
    assert response.status_code == 201, response.text
    assert response.json()["documentId"] == "3f0c"
    (found,) = await world.search("When does the observatory open?", topK=1)
    assert found["filename"] == "Bericht ü.txt"


async def test_a_ticket_for_an_object_that_is_not_there_is_404(world: World) -> None:
    response = await world.redeem(Ticket(TENANT, world.tenant.uid, "finance", "gone", "gone.txt"))
    assert response.status_code == 404
    assert response.json()["type"].endswith("/document-missing")


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        pytest.param("empty.txt", b"", 422, id="empty"),
        pytest.param("really-text.pdf", b"Text.", 415, id="mislabelled"),
        pytest.param("locked.pdf", encrypted_pdf("secret"), 422, id="encrypted"),
        pytest.param("broken.docx", docx_file("x")[:300], 422, id="corrupt"),
        pytest.param("huge.txt", b"a" * (50 * 1024 * 1024 + 1), 413, id="huge"),
        pytest.param("a/b.txt", b"Text.", 422, id="path-as-name"),
    ],
)
async def test_a_bad_file_is_refused_with_the_reason_and_nothing_is_stored(
    world: World, name: str, content: bytes, status: int
) -> None:
    points = await count_points(world.qdrant, KEY)
    s3 = world.platform.parts["aws"].s3  # type: ignore[attr-defined]
    objects = s3.list_object_versions(Bucket=BUCKET, Prefix=f"{KEY}/")["Versions"]
    response = await world.upload(name, content)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert await count_points(world.qdrant, KEY) == points
    assert s3.list_object_versions(Bucket=BUCKET, Prefix=f"{KEY}/")["Versions"] == objects
