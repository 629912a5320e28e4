"""Tests of the catalog: states of documents, pages, and permission to delete."""

from dataclasses import astuple, dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest
from gateway.documents.catalog import Catalog, DocumentState
from gateway.documents.intents import IngestFailure, Intent, IntentKind
from gateway.models import Chunk, Document
from gateway.problems import (
    DocumentEmpty,
    DocumentMissing,
    DocumentNotOwned,
    LimitsUnavailable,
    PersonaMissing,
    WritesUnavailable,
)
from servicekit.errors import BackendUnavailable
from tenancy.identity import Principal

from tests.support.documents.index_writes import publish
from tests.support.fakes.backends import STORED_AT, FakeObjects, FakeVectors, make_object_version
from tests.support.fakes.deletions import FakeDeletionLimit
from tests.support.fakes.journal import FakeJournal
from tests.support.fakes.limits import FakeStorageQuota
from tests.support.fakes.trash import make_trash
from tests.support.tenants.manifests import make_tenant

if TYPE_CHECKING:
    from gateway.documents.service import DocumentService

TENANT = make_tenant("tenanta", personas=[{"id": "finance"}, {"id": "hr"}])
PERSON = Principal(TENANT, "anna", "", admin=False)
ADMIN = Principal(TENANT, "boss", "", admin=True)


def make_key(document_id: str, persona: str = "finance", tenant: str = "tenanta") -> str:
    return f"tenant-{tenant}/{persona}/documents/{document_id}/a.md"


@pytest.fixture
def objects() -> FakeObjects:
    objects = FakeObjects()
    for document_id in ("d1", "d2", "d3"):
        objects.contents[make_key(document_id)] = b"Text."
        objects.owners[make_key(document_id)] = "anna"
    objects.contents[make_key("d4", "hr")] = b"Text."
    objects.contents[make_key("d5", tenant="tenantb")] = b"Text."
    return objects


@pytest.fixture
async def vectors() -> FakeVectors:
    vectors = FakeVectors()
    for document_id, content in (("d1", b"Text."), ("d2", b"An earlier text.")):
        document = Document("finance", document_id, "a.md", "0", *astuple(make_object_version(content)))
        await publish(vectors, TENANT, document, [Chunk("Text.")], [[1.0]])
    return vectors


@pytest.fixture
def quota() -> FakeStorageQuota:
    return FakeStorageQuota()


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def limit() -> FakeDeletionLimit:
    return FakeDeletionLimit()


@pytest.fixture
def catalog(
    objects: FakeObjects,
    vectors: FakeVectors,
    quota: FakeStorageQuota,
    journal: FakeJournal,
    limit: FakeDeletionLimit,
) -> Catalog:
    # Removing a document indexes nothing.
    trash = make_trash(objects, vectors, cast("DocumentService", None))
    return Catalog(
        objects.cast_to_real_class(),
        vectors.cast_to_real_class(),
        quota.cast_to_real_class(),
        journal.cast_to_real_class(),
        trash,
        limit.cast_to_real_class(),
    )


async def test_a_document_is_ready_when_its_last_content_is_indexed(catalog: Catalog) -> None:
    page = await catalog.list_page(TENANT, limit=10)
    assert [(entry.stored.document_id, entry.state.value) for entry in page.entries] == [
        ("d1", "ready"),
        ("d2", "received"),
        ("d3", "received"),
        ("d4", "received"),
    ]
    assert page.after == ""


async def test_a_document_that_cannot_be_indexed_is_failed_with_the_reason_until_its_content_changes(
    catalog: Catalog, objects: FakeObjects, journal: FakeJournal
) -> None:
    refused = DocumentEmpty("It holds no text.")
    for document_id in ("d1", "d3"):
        journal.failures["tenanta", document_id] = IngestFailure.from_problem(
            refused, make_object_version(b"Text.").etag
        )
    journal.failures["tenanta", "d2"] = IngestFailure.from_problem(refused, "another-etag")
    page = await catalog.list_page(TENANT, limit=10)
    assert [entry.state.value for entry in page.entries] == ["ready", "received", "failed", "received"]
    assert [entry.failure for entry in page.entries] == [
        None,
        None,
        IngestFailure(
            make_object_version(b"Text.").etag,
            "https://tenantry.io/problems/document-empty",
            refused.title,
            refused.detail,
        ),
        None,
    ]
    failed = await catalog.list_page(TENANT, state=DocumentState.FAILED, limit=10)
    assert [entry.stored.document_id for entry in failed.entries] == ["d3"]
    objects.contents[make_key("d3")] = b"Better."
    assert (await catalog.get(TENANT, "d3")).state is DocumentState.RECEIVED


async def test_a_document_that_is_being_indexed_has_state_indexing(
    catalog: Catalog, journal: FakeJournal
) -> None:
    async with journal.acquire(TENANT, "d3") as lease:
        await lease.begin(Intent(IntentKind.INGEST))
        assert (await catalog.get(TENANT, "d3")).state is DocumentState.INDEXING
        await lease.begin(Intent(IntentKind.DELETE))
        assert (await catalog.get(TENANT, "d3")).state is DocumentState.RECEIVED


async def test_the_intent_of_a_delete_names_the_version(
    catalog: Catalog, vectors: FakeVectors, journal: FakeJournal
) -> None:
    vectors.fails = BackendUnavailable("qdrant", "delete", "down")
    with pytest.raises(BackendUnavailable):
        await catalog.remove(TENANT, "d1", person=PERSON)
    assert journal.intents == {
        ("tenanta", "d1"): Intent(
            IntentKind.DELETE, to_delete=make_object_version(b"Text."), removed_by="anna"
        )
    }
    vectors.fails = None
    await catalog.remove(TENANT, "d1", person=PERSON)
    assert not journal.intents


async def test_without_a_journal_nothing_is_deleted(
    catalog: Catalog, objects: FakeObjects, journal: FakeJournal
) -> None:
    journal.is_unavailable = True
    with pytest.raises(WritesUnavailable):
        await catalog.remove(TENANT, "d1", person=PERSON)
    assert make_key("d1") in objects.contents


async def test_pages_list_each_document_once(catalog: Catalog) -> None:
    seen, after = [], ""
    while True:
        page = await catalog.list_page(TENANT, after=after, limit=2)
        seen += [entry.stored.document_id for entry in page.entries]
        after = page.after
        if not after:
            break
    assert seen == ["d1", "d2", "d3", "d4"]


async def test_a_list_is_filtered_by_persona_and_state(catalog: Catalog) -> None:
    hr = await catalog.list_page(TENANT, persona_id="hr", limit=10)
    assert [entry.stored.document_id for entry in hr.entries] == ["d4"]
    ready = await catalog.list_page(TENANT, state=DocumentState.READY, limit=10)
    assert [entry.stored.document_id for entry in ready.entries] == ["d1"]
    with pytest.raises(PersonaMissing):
        await catalog.list_page(TENANT, persona_id="legal", limit=10)


async def test_another_tenants_document_is_missing(catalog: Catalog) -> None:
    with pytest.raises(DocumentMissing):
        await catalog.get(TENANT, "d5")
    with pytest.raises(DocumentMissing):
        await catalog.remove(TENANT, "d5", person=ADMIN)


async def test_only_the_owner_and_administrators_may_delete(
    catalog: Catalog, objects: FakeObjects, vectors: FakeVectors
) -> None:
    await catalog.remove(TENANT, "d1", person=PERSON)
    assert make_key("d1") not in objects.contents
    assert ("tenant-tenanta", "d1") not in vectors.documents
    with pytest.raises(DocumentNotOwned):
        await catalog.remove(TENANT, "d2", person=Principal(TENANT, "ben", "", admin=False))
    with pytest.raises(DocumentNotOwned):
        await catalog.remove(TENANT, "d4", person=PERSON)
    assert make_key("d2") in objects.contents
    await catalog.remove(TENANT, "d4", person=ADMIN)
    assert make_key("d4", "hr") not in objects.contents


async def test_a_service_deletes_the_file_that_its_ticket_names_for_any_owner(
    catalog: Catalog, objects: FakeObjects
) -> None:
    objects.contents[make_key("owui-f1")] = b"Text."
    await catalog.remove(TENANT, "owui-f1", person=None)
    assert make_key("owui-f1") not in objects.contents


@dataclass(frozen=True)
class Pair:
    """An uploaded document and a newer file with its name; a field can make them differ."""

    name: str
    owner: str = "anna"
    filename: str = "a.md"
    persona: str = "finance"
    is_ready: bool = True
    earlier: int = 1
    replaced_by: str | None = "owui-f1"
    is_deleted: bool = False


@pytest.mark.parametrize(
    "pair",
    [
        Pair("a newer file of the owner is ready", is_deleted=True),
        Pair("stored within one second", earlier=0, is_deleted=True),
        Pair("a colleague's file", owner="ben"),
        Pair("file of an unknown owner", owner=""),
        Pair("another name", filename="b.md"),
        Pair("another persona", persona="hr"),
        Pair("not ready", is_ready=False),
        Pair("uploaded again after the file was stored", earlier=-1),
        Pair("replaced by itself", replaced_by="d1"),
        Pair("replaced by a missing document", replaced_by="owui-f2"),
        Pair("not replaced", replaced_by=None),
    ],
    ids=lambda pair: pair.name,
)
async def test_a_service_deletes_an_upload_only_for_a_newer_file_of_its_owner(
    catalog: Catalog, objects: FakeObjects, vectors: FakeVectors, limit: FakeDeletionLimit, pair: Pair
) -> None:
    file_key = f"tenant-tenanta/{pair.persona}/documents/owui-f1/{pair.filename}"
    objects.contents[file_key] = b"Newer."
    objects.owners[file_key] = pair.owner
    objects.stored_at[make_key("d1")] = STORED_AT - timedelta(seconds=pair.earlier)
    if pair.is_ready:
        version = astuple(make_object_version(b"Newer."))
        document = Document(pair.persona, "owui-f1", pair.filename, "0", *version)
        await publish(vectors, TENANT, document, [Chunk("Newer.")], [[1.0]])
    limit.allowed = 0
    remove = partial(catalog.remove, TENANT, "d1", person=None, replaced_by=pair.replaced_by)
    if pair.is_deleted:
        await remove()
    else:
        with pytest.raises(DocumentNotOwned):
            await remove()
    assert (make_key("d1") not in objects.contents) is pair.is_deleted
    assert not limit.entries, "refused and replaced documents are not listed as held"


async def test_a_delete_that_fails_in_the_index_keeps_the_object_and_can_be_repeated(
    catalog: Catalog, objects: FakeObjects, vectors: FakeVectors
) -> None:
    vectors.fails = BackendUnavailable("qdrant", "delete", "down")
    with pytest.raises(BackendUnavailable):
        await catalog.remove(TENANT, "d1", person=PERSON)
    assert make_key("d1") in objects.contents
    vectors.fails = None
    await catalog.remove(TENANT, "d1", person=PERSON)
    assert make_key("d1") not in objects.contents


async def test_a_delete_releases_the_quota_and_succeeds_without_redis(
    catalog: Catalog, objects: FakeObjects, quota: FakeStorageQuota
) -> None:
    await catalog.remove(TENANT, "d1", person=PERSON)
    quota.refuses = LimitsUnavailable("Redis is unavailable.")
    await catalog.remove(TENANT, "d2", person=PERSON)
    assert quota.released == ["d1", "d2"]
    assert not {make_key("d1"), make_key("d2")} & objects.contents.keys()
