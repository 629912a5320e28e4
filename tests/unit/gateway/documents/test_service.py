"""Tests of the ingest, above all of its failures."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from gateway.documents.catalog import Catalog
from gateway.documents.intents import Intent, IntentKind
from gateway.documents.reader import DocumentReader
from gateway.documents.service import DocumentService, IngestedDocument
from gateway.models import Document
from gateway.objects import ObjectVersion
from gateway.problems import (
    DocumentBusy,
    DocumentExists,
    DocumentMissing,
    DocumentNotOwned,
    DocumentRefused,
    FilenameRefused,
    PersonaMissing,
    QuotaExceeded,
    WritesUnavailable,
)
from gateway.timings import RequestTimings
from servicekit.errors import BackendUnavailable
from tenancy.identity import Principal
from tenancy.model import Tenant
from tenancy.names import derive_document_id
from tenancy.tickets import Ticket
from typing_extensions import override

from tests.support.documents.files import make_encrypted_pdf
from tests.support.fakes.backends import STORED_AT, FakeBedrock, FakeObjects, FakeVectors, make_object_version
from tests.support.fakes.deletions import FakeDeletionLimit
from tests.support.fakes.journal import FakeJournal
from tests.support.fakes.limits import FakeStorageQuota, FakeUsage
from tests.support.fakes.trash import make_trash
from tests.support.tenants.manifests import make_tenant
from tests.support.timing.waiting import wait_until

TENANT = make_tenant("tenanta")
MAX_BYTES = 10_000
STORED = "tenant-tenanta/finance/documents/doc-1/budget.md"


@dataclass
class IngestHarness:
    """A document service on fakes."""

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
            self.bedrock.cast_to_real_class(),
            self.objects.cast_to_real_class(),
            self.vectors.cast_to_real_class(),
            self.quota.cast_to_real_class(),
            self.usage.cast_to_real_class(),
            self.journal.cast_to_real_class(),
            max_bytes=MAX_BYTES,
        )

    async def upload(
        self, content: bytes, filename: str = "budget.md", persona: str = "finance", owner: str = "subject-1"
    ) -> IngestedDocument:
        return await self.service.upload(TENANT, persona, filename, content, owner, RequestTimings())

    async def redeem(self, persona: str = "finance") -> IngestedDocument:
        ticket = Ticket(TENANT.id, TENANT.uid, persona, "doc-1", "budget.md")
        return await self.service.index_stored(TENANT, ticket, RequestTimings())


@pytest.fixture
def harness(reader: DocumentReader) -> IngestHarness:
    return IngestHarness(reader)


async def test_an_upload_is_stored_under_the_tenants_key_and_indexed(harness: IngestHarness) -> None:
    ingested = await harness.upload(b"The budget is $5.")
    document_id = derive_document_id("tenanta", "finance", "budget.md")
    digest = hashlib.sha256(b"The budget is $5.").hexdigest()
    assert harness.objects.contents == {
        f"tenant-tenanta/finance/documents/{document_id}/budget.md": b"The budget is $5."
    }
    assert list(harness.objects.owners.values()) == ["subject-1"]
    assert ingested.document == harness.vectors.documents["tenant-tenanta", document_id][0]
    etag = make_object_version(b"The budget is $5.").etag
    created_at = ingested.document.created_at
    assert ingested.document == Document("finance", document_id, "budget.md", digest, created_at, etag)
    assert abs(datetime.now(UTC) - created_at) < timedelta(minutes=1)


async def test_a_chunk_is_embedded_with_its_headings_and_stored_without(harness: IngestHarness) -> None:
    await harness.upload(f"# Travel\n{'word ' * 60}".encode())
    ((_, chunks, vectors),) = harness.vectors.documents.values()
    assert chunks[-1].heading == "Travel"
    assert not chunks[-1].text.startswith("Travel")
    assert vectors[-1:] == await harness.bedrock.embed(
        [f"Travel\n\n{chunks[-1].text}"], tenant_key=TENANT.key
    )


async def test_the_same_name_is_the_same_document(harness: IngestHarness) -> None:
    first = await harness.upload(b"Old.")
    second = await harness.upload(b"New.")
    assert first.document.document_id == second.document.document_id
    (stored,) = harness.vectors.documents.values()
    assert [chunk.text for chunk in stored[1]] == ["New."]


@pytest.mark.parametrize("known", [True, False], ids=["another-owner", "owner-unknown"])
async def test_a_colleagues_document_is_not_replaced_and_keeps_its_owner(
    harness: IngestHarness, *, known: bool
) -> None:
    await harness.upload(b"Ten crowns.", owner="anna")
    if not known:
        harness.objects.owners.clear()
    before = dict(harness.objects.owners)
    with pytest.raises(DocumentNotOwned, match="another name"):
        await harness.upload(b"Mine now.", owner="bob")
    assert list(harness.objects.contents.values()) == [b"Ten crowns."]
    assert harness.objects.owners == before
    ((_, chunks, _),) = harness.vectors.documents.values()
    assert [chunk.text for chunk in chunks] == ["Ten crowns."]


FILE_KEY = "tenant-tenanta/finance/documents/owui-f1/budget.md"


@pytest.mark.parametrize(
    ("owner", "problem"),
    [
        pytest.param("anna", DocumentExists, id="own"),
        pytest.param("ben", DocumentNotOwned, id="a-colleagues"),
        pytest.param("", DocumentNotOwned, id="unknown-owner"),
    ],
)
async def test_an_upload_with_the_name_of_an_open_webui_file_is_refused(
    harness: IngestHarness, owner: str, problem: type[Exception]
) -> None:
    harness.objects.contents[FILE_KEY] = b"Ten crowns."
    harness.objects.owners[FILE_KEY] = owner
    with pytest.raises(problem):
        await harness.upload(b"Mine now.", owner="anna")
    assert harness.objects.contents == {FILE_KEY: b"Ten crowns."}
    assert not harness.vectors.documents
    assert not harness.quota.reserved


@pytest.mark.parametrize(
    "key",
    [
        "tenant-tenanta/finance/documents/owui-f1/other.md",
        "tenant-tenanta/hr/documents/owui-f1/budget.md",
        "tenant-tenantb/finance/documents/owui-f1/budget.md",
    ],
)
async def test_a_file_with_another_name_persona_or_tenant_does_not_prevent_an_upload(
    harness: IngestHarness, key: str
) -> None:
    harness.objects.contents[key] = b"Ten crowns."
    await harness.upload(b"Twenty crowns.")
    assert len(harness.objects.contents) == 2


@pytest.mark.parametrize("owner", ["anna", "ben"])
async def test_an_existing_document_accepts_new_versions_despite_files_of_its_name(
    harness: IngestHarness, owner: str
) -> None:
    await harness.upload(b"Ten crowns.", owner="anna")
    harness.objects.contents[FILE_KEY] = b"A file."
    harness.objects.owners[FILE_KEY] = owner
    await harness.upload(b"Twenty crowns.", owner="anna")
    assert sorted(harness.objects.contents.values()) == [b"A file.", b"Twenty crowns."]


@pytest.mark.parametrize(
    ("content", "filename", "persona", "problem"),
    [
        pytest.param(b"Text.", "a.md", "unknown", PersonaMissing, id="unknown-persona"),
        pytest.param(b"Text.", "../a.md", "finance", FilenameRefused, id="path-as-name"),
        pytest.param(b"", "a.md", "finance", DocumentRefused, id="empty"),
        pytest.param(b"a" * (MAX_BYTES + 1), "a.md", "finance", DocumentRefused, id="too-large"),
        pytest.param(b"Text.", "a.pdf", "finance", DocumentRefused, id="mislabelled"),
        pytest.param(make_encrypted_pdf("secret"), "a.pdf", "finance", DocumentRefused, id="encrypted"),
    ],
)
async def test_a_refused_document_stores_nothing(
    harness: IngestHarness, content: bytes, filename: str, persona: str, problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        await harness.upload(content, filename, persona)
    assert not harness.objects.contents
    assert not harness.vectors.documents


async def test_a_document_beyond_the_quota_embeds_and_stores_nothing(harness: IngestHarness) -> None:
    harness.quota.refuses = QuotaExceeded("No room.", quota="documents")
    with pytest.raises(QuotaExceeded):
        await harness.upload(b"Text.")
    assert not harness.objects.contents
    assert not harness.usage.recorded, "nothing was embedded"


async def test_tokens_of_embeddings_are_recorded(harness: IngestHarness) -> None:
    await harness.upload(b"The budget is $5.")
    ((tenant, persona, _, counts),) = harness.usage.recorded
    assert (tenant, persona, counts.requests) == ("tenanta", "finance", 1)
    assert counts.embedding_tokens > 0


async def test_a_document_that_cannot_be_embedded_stores_nothing(harness: IngestHarness) -> None:
    harness.bedrock.fails = BackendUnavailable("bedrock", "embed", "throttled")
    with pytest.raises(BackendUnavailable):
        await harness.upload(b"Text.")
    assert not harness.objects.contents


async def test_a_failed_index_write_leaves_an_intent_and_a_repeated_call_completes_it(
    harness: IngestHarness,
) -> None:
    harness.vectors.fails = BackendUnavailable("qdrant", "upsert", "down")
    with pytest.raises(BackendUnavailable):
        await harness.upload(b"Text.")
    assert harness.objects.contents, "S3 is written first"
    assert [intent.kind for intent in harness.journal.intents.values()] == [IntentKind.INGEST]
    harness.vectors.fails = None
    await harness.upload(b"Text.")
    assert len(harness.objects.contents) == len(harness.vectors.documents) == 1
    assert not harness.journal.intents


async def test_a_refusal_before_the_first_write_leaves_no_intent(harness: IngestHarness) -> None:
    with pytest.raises(DocumentRefused):
        await harness.upload(b"")
    assert not harness.journal.intents
    assert not harness.journal.failures


async def test_a_failed_embedding_leaves_an_intent_to_delete_its_chunks(harness: IngestHarness) -> None:
    harness.bedrock.fails = BackendUnavailable("bedrock", "embed", "throttled")
    with pytest.raises(BackendUnavailable):
        await harness.upload(b"Text.")
    assert [intent.kind for intent in harness.journal.intents.values()] == [IntentKind.INGEST]


async def test_each_chunk_gets_its_vector_with_any_number_of_batches(
    harness: IngestHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.documents.service.BATCH_SIZE", 2)
    await harness.upload("\n\n".join(f"Matter {number}. " + "word " * 30 for number in range(9)).encode())
    ((_, chunks, vectors),) = harness.vectors.documents.values()
    assert len(chunks) >= 9
    assert vectors == await harness.bedrock.embed(
        [chunk.embedded_text for chunk in chunks], tenant_key=TENANT.key
    )


async def test_without_a_journal_nothing_is_stored(harness: IngestHarness) -> None:
    harness.journal.is_unavailable = True
    harness.objects.contents[STORED] = b"From S3."
    with pytest.raises(WritesUnavailable):
        await harness.upload(b"Text.")
    with pytest.raises(WritesUnavailable):
        await harness.redeem()
    assert list(harness.objects.contents) == [STORED]
    assert not harness.vectors.documents


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        pytest.param(b"", "document-empty", id="empty"),
        pytest.param(b"a" * (MAX_BYTES + 1), "document-too-large", id="too-large"),
    ],
)
async def test_a_refused_stored_document_is_recorded_with_the_reason(
    harness: IngestHarness, content: bytes, slug: str
) -> None:
    harness.objects.contents[STORED] = content
    with pytest.raises(DocumentRefused) as refused:
        await harness.redeem()
    failure = harness.journal.failures[TENANT.id, "doc-1"]
    assert (failure.etag, failure.detail) == (make_object_version(content).etag, refused.value.detail)
    assert failure.type == f"https://tenantry.io/problems/{slug}"
    assert not harness.journal.intents
    harness.objects.contents[STORED] = b"Better."
    await harness.redeem()
    assert not harness.journal.failures, "a success removes the failure"


async def test_a_document_is_not_written_before_its_interrupted_delete_is_completed(
    harness: IngestHarness,
) -> None:
    harness.objects.contents[STORED] = b"From S3."
    for document_id in ("doc-1", derive_document_id("tenanta", "finance", "budget.md")):
        harness.journal.intents[TENANT.id, document_id] = Intent(
            IntentKind.DELETE, to_delete=make_object_version(b"From S3.")
        )
    with pytest.raises(DocumentBusy):
        await harness.redeem()
    with pytest.raises(DocumentBusy):
        await harness.upload(b"Text.")
    assert not harness.vectors.documents
    assert {intent.kind for intent in harness.journal.intents.values()} == {IntentKind.DELETE}


async def test_a_ticket_indexes_the_stored_object(harness: IngestHarness) -> None:
    harness.objects.contents["tenant-tenanta/finance/documents/doc-1/budget.md"] = b"From S3."
    ingested = await harness.redeem()
    assert ingested.document.document_id == "doc-1"
    assert ingested.document.created_at == STORED_AT
    assert [chunk.text for chunk in harness.vectors.documents["tenant-tenanta", "doc-1"][1]] == ["From S3."]


async def test_a_ticket_for_a_missing_object_indexes_nothing(harness: IngestHarness) -> None:
    with pytest.raises(DocumentMissing):
        await harness.redeem()
    with pytest.raises(PersonaMissing):
        await harness.redeem(persona="unknown")
    assert not harness.vectors.documents


class SlowFirstUpload(FakeObjects):
    """Fake bucket in which the first upload is slow, so that a later upload can overtake it."""

    @override
    async def put(
        self, tenant: Tenant, key: str, content: bytes, *, media_type: str, owner: str
    ) -> ObjectVersion:
        first = not self.contents
        version = await super().put(tenant, key, content, media_type=media_type, owner=owner)
        await asyncio.sleep(0.2 if first else 0)
        return version


async def test_concurrent_uploads_of_one_document_end_as_one_of_them(reader: DocumentReader) -> None:
    harness = IngestHarness(reader, objects=SlowFirstUpload())
    await asyncio.gather(harness.upload(b"One."), harness.upload(b"Two."))
    (stored,) = harness.vectors.documents.values()
    (content,) = harness.objects.contents.values()
    assert hashlib.sha256(content).hexdigest() == stored[0].sha256


async def test_a_delete_during_an_ingest_leaves_no_index_without_an_object(reader: DocumentReader) -> None:
    harness = IngestHarness(reader, objects=SlowFirstUpload())
    catalog = Catalog(
        harness.objects.cast_to_real_class(),
        harness.vectors.cast_to_real_class(),
        harness.quota.cast_to_real_class(),
        harness.journal.cast_to_real_class(),
        make_trash(harness.objects, harness.vectors, harness.service),
        FakeDeletionLimit().cast_to_real_class(),
    )
    uploading = asyncio.create_task(harness.upload(b"One."))
    await wait_until(lambda: bool(harness.objects.contents))
    person = Principal(TENANT, "subject-1", "", admin=False)
    await catalog.remove(person.tenant, derive_document_id("tenanta", "finance", "budget.md"), person=person)
    await uploading
    assert not harness.objects.contents
    assert not harness.vectors.documents
