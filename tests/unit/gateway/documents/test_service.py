"""Ingest: what is stored when, above all when something goes wrong."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from gateway.documents.catalog import Catalog
from gateway.documents.intents import Intent, IntentKind
from gateway.documents.reader import DocumentReader
from gateway.documents.service import DocumentService, Ingested
from gateway.models import Document
from gateway.objects import ObjectVersion
from gateway.problems import (
    DocumentBusy,
    DocumentExists,
    DocumentForeign,
    DocumentMissing,
    DocumentRefused,
    FilenameRefused,
    PersonaMissing,
    QuotaExceeded,
    WritesUnavailable,
)
from gateway.timings import RequestTimings
from servicekit.errors import RemoteUnavailable
from tenancy.identity import Principal
from tenancy.model import Tenant
from tenancy.names import document_id_for
from tenancy.tickets import Ticket
from typing_extensions import override

from tests.support.backends import STORED_AT, FakeBedrock, FakeObjects, FakeVectors, object_version_of
from tests.support.deletions import FakeDeletionLimit
from tests.support.files import encrypted_pdf
from tests.support.journal import FakeJournal
from tests.support.limits import FakeStorageQuota, FakeUsage
from tests.support.tenants import make_tenant
from tests.support.trash import make_trash
from tests.support.waiting import until

TENANT = make_tenant("tenanta")
MAX_BYTES = 10_000
STORED = "tenant-tenanta/finance/documents/doc-1/budget.md"


@dataclass
class World:
    """A service and what is behind it."""

    reader: DocumentReader
    bedrock: FakeBedrock = field(default_factory=FakeBedrock)
    objects: FakeObjects = field(default_factory=FakeObjects)
    vectors: FakeVectors = field(default_factory=FakeVectors)
    quota: FakeStorageQuota = field(default_factory=FakeStorageQuota)
    usage: FakeUsage = field(default_factory=FakeUsage)
    journal: FakeJournal = field(default_factory=FakeJournal)

    def __post_init__(self) -> None:
        self.service = DocumentService(
            self.reader,
            self.bedrock.as_adapter(),
            self.objects.as_adapter(),
            self.vectors.as_adapter(),
            self.quota.as_quota(),
            self.usage.as_log(),
            self.journal.as_journal(),
            max_bytes=MAX_BYTES,
        )

    async def upload(
        self, content: bytes, filename: str = "budget.md", persona: str = "finance", owner: str = "subject-1"
    ) -> Ingested:
        return await self.service.upload(TENANT, persona, filename, content, owner, RequestTimings())

    async def redeem(self, persona: str = "finance") -> Ingested:
        ticket = Ticket(TENANT.id, TENANT.uid, persona, "doc-1", "budget.md")
        return await self.service.index_stored(TENANT, ticket, RequestTimings())


@pytest.fixture
def world(reader: DocumentReader) -> World:
    return World(reader)


async def test_an_upload_is_stored_under_the_tenants_key_and_indexed(world: World) -> None:
    ingested = await world.upload(b"The budget is $5.")
    document_id = document_id_for("tenanta", "finance", "budget.md")
    digest = hashlib.sha256(b"The budget is $5.").hexdigest()
    assert world.objects.contents == {
        f"tenant-tenanta/finance/documents/{document_id}/budget.md": b"The budget is $5."
    }
    assert list(world.objects.owners.values()) == ["subject-1"]
    assert ingested.document == world.vectors.documents["tenant-tenanta", document_id][0]
    etag = object_version_of(b"The budget is $5.").etag
    created_at = ingested.document.created_at
    assert ingested.document == Document("finance", document_id, "budget.md", digest, created_at, etag)
    assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=1)


async def test_a_chunk_is_embedded_with_its_headings_and_stored_without(world: World) -> None:
    await world.upload(f"# Travel\n{'word ' * 60}".encode())
    ((_, chunks, vectors),) = world.vectors.documents.values()
    assert chunks[-1].heading == "Travel"
    assert not chunks[-1].text.startswith("Travel")
    assert vectors[-1:] == await world.bedrock.embed([f"Travel\n\n{chunks[-1].text}"])


async def test_the_same_name_is_the_same_document(world: World) -> None:
    first = await world.upload(b"Old.")
    second = await world.upload(b"New.")
    assert first.document.document_id == second.document.document_id
    (stored,) = world.vectors.documents.values()
    assert [chunk.text for chunk in stored[1]] == ["New."]


@pytest.mark.parametrize("known", [True, False], ids=["another-owner", "owner-unknown"])
async def test_c11_a_colleagues_document_is_not_replaced_and_keeps_its_owner(
    world: World, *, known: bool
) -> None:
    await world.upload(b"Ten crowns.", owner="anna")
    if not known:
        world.objects.owners.clear()
    before = dict(world.objects.owners)
    with pytest.raises(DocumentForeign, match="another name"):
        await world.upload(b"Mine now.", owner="bob")
    assert list(world.objects.contents.values()) == [b"Ten crowns."]
    assert world.objects.owners == before
    ((_, chunks, _),) = world.vectors.documents.values()
    assert [chunk.text for chunk in chunks] == ["Ten crowns."]


FILE_KEY = "tenant-tenanta/finance/documents/owui-f1/budget.md"


@pytest.mark.parametrize(
    ("owner", "problem"),
    [
        pytest.param("anna", DocumentExists, id="own"),
        pytest.param("ben", DocumentForeign, id="a-colleagues"),
        pytest.param("", DocumentForeign, id="nobody-knows-whose"),
    ],
)
async def test_c11_a_name_that_came_through_open_webui_is_taken(
    world: World, owner: str, problem: type[Exception]
) -> None:
    world.objects.contents[FILE_KEY] = b"Ten crowns."
    world.objects.owners[FILE_KEY] = owner
    with pytest.raises(problem):
        await world.upload(b"Mine now.", owner="anna")
    assert world.objects.contents == {FILE_KEY: b"Ten crowns."}
    assert not world.vectors.documents
    assert not world.quota.reserved


@pytest.mark.parametrize(
    "key",
    [
        "tenant-tenanta/finance/documents/owui-f1/other.md",
        "tenant-tenanta/hr/documents/owui-f1/budget.md",
        "tenant-tenantb/finance/documents/owui-f1/budget.md",
    ],
)
async def test_another_name_persona_or_tenant_takes_no_name(world: World, key: str) -> None:
    world.objects.contents[key] = b"Ten crowns."
    await world.upload(b"Twenty crowns.")
    assert len(world.objects.contents) == 2


@pytest.mark.parametrize("owner", ["anna", "ben"])
async def test_a_document_that_exists_has_new_versions_whatever_files_have_its_name(
    world: World, owner: str
) -> None:
    await world.upload(b"Ten crowns.", owner="anna")
    world.objects.contents[FILE_KEY] = b"A file."
    world.objects.owners[FILE_KEY] = owner
    await world.upload(b"Twenty crowns.", owner="anna")
    assert sorted(world.objects.contents.values()) == [b"A file.", b"Twenty crowns."]


@pytest.mark.parametrize(
    ("content", "filename", "persona", "problem"),
    [
        pytest.param(b"Text.", "a.md", "nobody", PersonaMissing, id="unknown-persona"),
        pytest.param(b"Text.", "../a.md", "finance", FilenameRefused, id="path-as-name"),
        pytest.param(b"", "a.md", "finance", DocumentRefused, id="empty"),
        pytest.param(b"a" * (MAX_BYTES + 1), "a.md", "finance", DocumentRefused, id="too-large"),
        pytest.param(b"Text.", "a.pdf", "finance", DocumentRefused, id="mislabelled"),
        pytest.param(encrypted_pdf("secret"), "a.pdf", "finance", DocumentRefused, id="encrypted"),
    ],
)
async def test_a_refused_document_leaves_nothing_behind(
    world: World, content: bytes, filename: str, persona: str, problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        await world.upload(content, filename, persona)
    assert not world.objects.contents
    assert not world.vectors.documents


async def test_a_document_without_room_costs_nothing_and_leaves_nothing_behind(world: World) -> None:
    world.quota.refuses = QuotaExceeded("No room.", quota="documents")
    with pytest.raises(QuotaExceeded):
        await world.upload(b"Text.")
    assert not world.objects.contents
    assert not world.usage.recorded, "nothing was embedded"


async def test_what_embedding_took_is_written_down(world: World) -> None:
    await world.upload(b"The budget is $5.")
    ((tenant, persona, _, counts),) = world.usage.recorded
    assert (tenant, persona, counts.requests) == ("tenanta", "finance", 1)
    assert counts.embedding_tokens > 0


async def test_a_document_that_cannot_be_embedded_leaves_nothing_behind(world: World) -> None:
    world.bedrock.fails = RemoteUnavailable("bedrock", "embed", "throttled")
    with pytest.raises(RemoteUnavailable):
        await world.upload(b"Text.")
    assert not world.objects.contents


async def test_a_lost_index_is_noted_and_completed_by_the_same_call_again(world: World) -> None:
    world.vectors.fails = RemoteUnavailable("qdrant", "upsert", "down")
    with pytest.raises(RemoteUnavailable):
        await world.upload(b"Text.")
    assert world.objects.contents, "S3 is the truth and comes first"
    assert [intent.kind for intent in world.journal.intents.values()] == [IntentKind.INGEST]
    world.vectors.fails = None
    await world.upload(b"Text.")
    assert len(world.objects.contents) == len(world.vectors.documents) == 1
    assert not world.journal.intents


async def test_what_was_refused_before_anything_was_written_leaves_no_note(world: World) -> None:
    with pytest.raises(DocumentRefused):
        await world.upload(b"")
    assert not world.journal.intents
    assert not world.journal.failures


async def test_chunks_of_what_could_not_be_embedded_are_noted_to_be_cleared_away(world: World) -> None:
    world.bedrock.fails = RemoteUnavailable("bedrock", "embed", "throttled")
    with pytest.raises(RemoteUnavailable):
        await world.upload(b"Text.")
    assert [intent.kind for intent in world.journal.intents.values()] == [IntentKind.INGEST]


async def test_each_chunk_gets_its_own_vector_however_many_batches_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.documents.service.BATCH", 2)
    await world.upload("\n\n".join(f"Matter {number}. " + "word " * 30 for number in range(9)).encode())
    ((_, chunks, vectors),) = world.vectors.documents.values()
    assert len(chunks) >= 9
    assert vectors == await world.bedrock.embed([chunk.embedded_text for chunk in chunks])


async def test_without_a_journal_nothing_is_stored(world: World) -> None:
    world.journal.is_unavailable = True
    world.objects.contents[STORED] = b"From S3."
    with pytest.raises(WritesUnavailable):
        await world.upload(b"Text.")
    with pytest.raises(WritesUnavailable):
        await world.redeem()
    assert list(world.objects.contents) == [STORED]
    assert not world.vectors.documents


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        pytest.param(b"", "document-empty", id="empty"),
        pytest.param(b"a" * (MAX_BYTES + 1), "document-too-large", id="too-large"),
    ],
)
async def test_a_stored_document_that_is_no_good_is_remembered_with_the_reason(
    world: World, content: bytes, slug: str
) -> None:
    world.objects.contents[STORED] = content
    with pytest.raises(DocumentRefused) as refused:
        await world.redeem()
    failure = world.journal.failures[TENANT.id, "doc-1"]
    assert (failure.etag, failure.detail) == (object_version_of(content).etag, refused.value.detail)
    assert failure.type == f"https://tenantry.io/problems/{slug}"
    assert not world.journal.intents
    world.objects.contents[STORED] = b"Better."
    await world.redeem()
    assert not world.journal.failures, "a success clears it"


async def test_a_document_whose_delete_was_cut_off_is_not_written_before_that_is_completed(
    world: World,
) -> None:
    world.objects.contents[STORED] = b"From S3."
    for document_id in ("doc-1", document_id_for("tenanta", "finance", "budget.md")):
        world.journal.intents[TENANT.id, document_id] = Intent(
            IntentKind.DELETE, to_delete=object_version_of(b"From S3.")
        )
    with pytest.raises(DocumentBusy):
        await world.redeem()
    with pytest.raises(DocumentBusy):
        await world.upload(b"Text.")
    assert not world.vectors.documents
    assert {intent.kind for intent in world.journal.intents.values()} == {IntentKind.DELETE}


async def test_a_ticket_indexes_what_is_in_the_bucket(world: World) -> None:
    world.objects.contents["tenant-tenanta/finance/documents/doc-1/budget.md"] = b"From S3."
    ingested = await world.redeem()
    assert ingested.document.document_id == "doc-1"
    assert ingested.document.created_at == STORED_AT
    assert [chunk.text for chunk in world.vectors.documents["tenant-tenanta", "doc-1"][1]] == ["From S3."]


async def test_a_ticket_for_what_is_not_there_indexes_nothing(world: World) -> None:
    with pytest.raises(DocumentMissing):
        await world.redeem()
    with pytest.raises(PersonaMissing):
        await world.redeem(persona="nobody")
    assert not world.vectors.documents


class SlowAtFirst(FakeObjects):
    """The first upload hears of its success only after a second one had time to pass it."""

    @override
    async def put(
        self, tenant: Tenant, key: str, content: bytes, *, media_type: str, owner: str
    ) -> ObjectVersion:
        first = not self.contents
        version = await super().put(tenant, key, content, media_type=media_type, owner=owner)
        await asyncio.sleep(0.2 if first else 0)
        return version


async def test_two_contents_of_one_document_at_once_end_as_one_of_them(reader: DocumentReader) -> None:
    world = World(reader, objects=SlowAtFirst())
    await asyncio.gather(world.upload(b"One."), world.upload(b"Two."))
    (stored,) = world.vectors.documents.values()
    (content,) = world.objects.contents.values()
    assert hashlib.sha256(content).hexdigest() == stored[0].sha256


async def test_a_delete_beside_an_ingest_leaves_no_index_of_what_is_gone(reader: DocumentReader) -> None:
    world = World(reader, objects=SlowAtFirst())
    catalog = Catalog(
        world.objects.as_adapter(),
        world.vectors.as_adapter(),
        world.quota.as_quota(),
        world.journal.as_journal(),
        make_trash(world.objects, world.vectors, world.service),
        FakeDeletionLimit().as_limit(),
    )
    uploading = asyncio.create_task(world.upload(b"One."))
    await until(lambda: bool(world.objects.contents))
    person = Principal(TENANT, "subject-1", "", admin=False)
    await catalog.remove(person.tenant, document_id_for("tenanta", "finance", "budget.md"), person=person)
    await uploading
    assert not world.objects.contents
    assert not world.vectors.documents
