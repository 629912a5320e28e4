"""Tests of the trash: records, lists, restores and expiry of removed documents."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from gateway.documents.catalog import Catalog
from gateway.documents.intents import Intent, IntentKind
from gateway.documents.reader import DocumentReader
from gateway.documents.rejection import MAX_REJECTED, DeletionRejection
from gateway.documents.repair import Repair
from gateway.documents.service import DocumentService
from gateway.objects import Removal
from gateway.problems import (
    DeletionsHeld,
    DocumentExists,
    DocumentMissing,
    DocumentNotOwned,
    PersonaMissing,
    QuotaExceeded,
    TrashedDocumentMissing,
)
from gateway.timings import RequestTimings
from servicekit.errors import BackendUnavailable
from tenancy.identity import Principal
from tenancy.names import build_removal_key, build_removals_prefix, derive_document_id

from tests.support.fakes.backends import FakeBedrock, FakeObjects, FakeVectors, make_object_version
from tests.support.fakes.deletions import FakeDeletionLimit
from tests.support.fakes.journal import FakeJournal
from tests.support.fakes.limits import FakeStorageQuota, FakeUsage
from tests.support.fakes.trash import FakeTrashObjects, make_trash
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta", personas=[{"id": "finance"}])
OWNER = Principal(TENANT, "anna", "anna@a.example", admin=False)
COLLEAGUE = Principal(TENANT, "ben", "ben@a.example", admin=False)
ADMIN = Principal(TENANT, "boss", "boss@a.example", admin=True)
STRANGER = Principal(make_tenant("tenantb", personas=[{"id": "finance"}]), "anna", "", admin=True)
NAME = "budget.md"
ID = derive_document_id("tenanta", "finance", NAME)
TEXT = b"The marketing budget is $5."
FILE_ID = "owui-5cfc3ab1"
FILE_KEY = f"tenant-tenanta/finance/documents/{FILE_ID}/{NAME}"
DOWN = BackendUnavailable("qdrant", "delete", "down")


@dataclass
class TrashHarness:
    """A trash on fakes."""

    reader: DocumentReader
    retention: timedelta = timedelta(days=30)
    bedrock: FakeBedrock = field(default_factory=FakeBedrock)
    objects: FakeObjects = field(default_factory=FakeObjects)
    vectors: FakeVectors = field(default_factory=FakeVectors)
    journal: FakeJournal = field(default_factory=FakeJournal)
    quota: FakeStorageQuota = field(default_factory=FakeStorageQuota)
    limit: FakeDeletionLimit = field(default_factory=FakeDeletionLimit)

    def __post_init__(self) -> None:
        adapters = (self.objects.cast_to_real_class(), self.vectors.cast_to_real_class())
        quota, journal = self.quota.cast_to_real_class(), self.journal.cast_to_real_class()
        self.service = DocumentService(
            self.reader,
            self.bedrock.cast_to_real_class(),
            *adapters,
            quota,
            FakeUsage().cast_to_real_class(),
            journal,
            max_bytes=10_000,
        )
        self.kept = FakeTrashObjects(self.objects)
        self.trash = make_trash(
            self.objects, self.vectors, self.service, kept=self.kept, retention=self.retention
        )
        self.catalog = Catalog(*adapters, quota, journal, self.trash, self.limit.cast_to_real_class())
        self.rejection = DeletionRejection(self.catalog, self.trash, self.limit.cast_to_real_class())
        self.repair = Repair(
            lambda: [TENANT], journal, *adapters, self.service, self.catalog, self.trash, interval=0.01
        )

    async def upload(self, content: bytes = TEXT) -> None:
        await self.service.upload(TENANT, "finance", NAME, content, OWNER.subject, RequestTimings())

    async def upload_file(self) -> None:
        """Store and index a file of Open WebUI, as file-sync and the gateway do."""
        self.objects.contents[FILE_KEY] = TEXT
        self.objects.owners[FILE_KEY] = OWNER.subject
        self.journal.intents["tenanta", FILE_ID] = Intent(IntentKind.INGEST)
        await self.repair.sweep()

    async def remove(self, person: Principal | None = OWNER, document_id: str = ID) -> None:
        await self.catalog.remove(TENANT, document_id, person=person)

    async def restore(
        self, person: Principal = OWNER, document_id: str = ID, removal_id: str | None = None
    ) -> str:
        restored = await self.trash.restore(person, document_id, removal_id, RequestTimings())
        return restored.document.document_id

    async def list_removals(self, person: Principal = OWNER) -> list[Removal]:
        return (await self.trash.list_page(person, limit=50)).removals

    def list_found(self, document_id: str = ID) -> list[str]:
        """Return the texts of the document in the index."""
        _, chunks, _ = self.vectors.documents.get((TENANT.key, document_id), (None, [], []))
        return [chunk.text for chunk in chunks]


@pytest.fixture
def harness(reader: DocumentReader) -> TrashHarness:
    return TrashHarness(reader)


async def test_a_removed_document_is_listed_with_its_remover_and_its_expiry(
    harness: TrashHarness,
) -> None:
    await harness.upload()
    before = datetime.now(UTC)
    await harness.remove(ADMIN)
    assert not harness.list_found()
    (removal,) = await harness.list_removals()
    assert (removal.document_id, removal.persona_id, removal.filename) == (ID, "finance", NAME)
    assert removal.size == len(TEXT)
    assert removal.removed_by == "boss@a.example"
    assert before <= removal.removed_at <= datetime.now(UTC)
    assert harness.trash.calculate_restorable_until(removal) == removal.removed_at + timedelta(days=30)


async def test_a_restored_document_is_found_without_new_embeddings(harness: TrashHarness) -> None:
    await harness.upload()
    await harness.remove()
    harness.bedrock.fails = AssertionError("a restore must not embed anything")
    assert await harness.restore() == ID
    assert harness.list_found() == [TEXT.decode()]
    assert list(harness.objects.contents.values()) == [TEXT]
    assert not await harness.list_removals()
    assert not harness.kept.embeddings
    assert not harness.journal.intents
    assert harness.quota.reserved[-1] == ("tenanta", ID, len(TEXT)), (
        "the document counts towards the quota again"
    )


async def test_only_chunks_without_an_embedding_are_embedded(harness: TrashHarness) -> None:
    await harness.upload()
    await harness.remove()
    harness.kept.embeddings.clear()
    harness.bedrock.embedded.clear()
    await harness.restore()
    assert harness.bedrock.embedded == [TEXT.decode()]
    assert harness.list_found() == [TEXT.decode()]


async def test_a_colleague_neither_lists_nor_restores_a_removed_document(harness: TrashHarness) -> None:
    await harness.upload()
    await harness.remove()
    assert not await harness.list_removals(COLLEAGUE)
    with pytest.raises(DocumentNotOwned):
        await harness.restore(COLLEAGUE)
    assert len(await harness.list_removals(ADMIN)) == 1
    await harness.restore(ADMIN)
    assert harness.objects.owners.popitem()[1] == OWNER.subject, "the owner is unchanged"


async def test_another_tenants_administrator_neither_lists_nor_restores_a_removed_document(
    harness: TrashHarness,
) -> None:
    await harness.upload()
    await harness.remove()
    assert not await harness.list_removals(STRANGER)
    with pytest.raises(TrashedDocumentMissing):
        await harness.restore(STRANGER)


async def test_a_restore_does_not_replace_a_document_with_the_same_name(
    harness: TrashHarness,
) -> None:
    await harness.upload()
    await harness.remove()
    (first,) = await harness.list_removals()
    await harness.upload(b"The marketing budget is $6.")
    with pytest.raises(DocumentExists, match=NAME):
        await harness.restore()
    assert harness.list_found() == ["The marketing budget is $6."]
    await harness.remove()
    assert len(await harness.list_removals()) == 2
    await harness.restore(removal_id=first.id)
    assert harness.list_found() == [TEXT.decode()]
    (second,) = await harness.list_removals()
    assert second.id != first.id


async def test_a_colleagues_later_removal_does_not_hide_the_persons_own_removal(
    harness: TrashHarness,
) -> None:
    await harness.upload()
    await harness.remove()
    await harness.service.upload(TENANT, "finance", NAME, b"Mine.", COLLEAGUE.subject, RequestTimings())
    await harness.remove(COLLEAGUE)
    await harness.restore(OWNER)
    assert harness.list_found() == [TEXT.decode()]


async def test_without_a_removal_id_the_latest_removal_is_restored(harness: TrashHarness) -> None:
    await harness.upload()
    await harness.remove()
    await harness.upload(b"The marketing budget is $6.")
    await harness.remove()
    await harness.restore()
    assert harness.list_found() == ["The marketing budget is $6."]


async def test_an_expired_removal_is_neither_listed_nor_restored_and_is_deleted(
    harness: TrashHarness,
) -> None:
    await harness.upload()
    await harness.remove()
    harness.trash.retention = timedelta()
    assert not await harness.list_removals(ADMIN)
    with pytest.raises(TrashedDocumentMissing):
        await harness.restore(ADMIN)
    assert await harness.trash.expire(TENANT) == 1
    assert not harness.kept.records
    assert not harness.kept.embeddings


async def test_a_restore_beyond_the_quota_stays_in_the_trash(harness: TrashHarness) -> None:
    await harness.upload()
    await harness.remove()
    harness.quota.refuses = QuotaExceeded("No room.")
    with pytest.raises(QuotaExceeded):
        await harness.restore()
    assert len(await harness.list_removals()) == 1
    assert not harness.journal.intents


async def test_a_document_of_a_deleted_persona_stays_in_the_trash(harness: TrashHarness) -> None:
    await harness.upload()
    await harness.remove()
    moved = replace(OWNER, tenant=make_tenant("tenanta", personas=[{"id": "legal"}]))
    with pytest.raises(PersonaMissing):
        await harness.restore(moved)
    assert len(await harness.list_removals()) == 1


async def test_nothing_is_removed_if_the_record_cannot_be_stored(harness: TrashHarness) -> None:
    await harness.upload()
    harness.kept.fails = DOWN
    with pytest.raises(BackendUnavailable):
        await harness.remove()
    assert harness.list_found() == [TEXT.decode()]
    assert harness.objects.contents


async def test_an_interrupted_removal_is_in_the_trash_only_after_its_repair(harness: TrashHarness) -> None:
    await harness.upload()
    harness.vectors.fails = DOWN
    with pytest.raises(BackendUnavailable):
        await harness.remove(ADMIN)
    assert harness.kept.records, "the record is written first"
    assert not await harness.list_removals()
    harness.vectors.fails = None
    await harness.repair.sweep()
    (removal,) = await harness.list_removals()
    assert removal.removed_by == "boss@a.example"
    harness.bedrock.fails = AssertionError("a restore must not embed anything")
    await harness.restore()


async def test_a_repair_keeps_the_record_and_embeddings_of_the_interrupted_attempt(
    harness: TrashHarness,
) -> None:
    await harness.upload()
    await harness.remove()
    first = await harness.list_removals()
    (stored,) = harness.objects.versions
    harness.objects.contents[stored] = harness.objects.versions[stored].pop()
    harness.journal.intents["tenanta", ID] = Intent(
        IntentKind.DELETE, to_delete=make_object_version(TEXT), removed_by="anna@a.example"
    )
    await harness.repair.sweep()
    assert await harness.list_removals() == first, "the record has the time of the removal"
    harness.bedrock.fails = AssertionError("a restore must not embed anything")
    await harness.restore()
    assert harness.list_found() == [TEXT.decode()]


async def test_an_interrupted_restore_is_completed_without_a_new_embedding(harness: TrashHarness) -> None:
    await harness.upload()
    await harness.remove()
    harness.vectors.fails = DOWN
    with pytest.raises(BackendUnavailable):
        await harness.restore()
    assert harness.journal.intents["tenanta", ID].kind is IntentKind.RESTORE
    harness.vectors.fails = None
    harness.bedrock.fails = AssertionError("a restore must not embed anything")
    await harness.repair.sweep()
    assert harness.list_found() == [TEXT.decode()]
    assert not harness.kept.records
    assert not harness.kept.embeddings
    assert not harness.journal.intents


async def test_a_restore_interrupted_before_its_copy_leaves_the_document_in_the_trash(
    harness: TrashHarness,
) -> None:
    await harness.upload()
    await harness.remove()
    (removal,) = await harness.list_removals()
    harness.journal.intents["tenanta", ID] = Intent(IntentKind.RESTORE, restored=(ID, removal.id))
    await harness.repair.sweep()
    assert len(await harness.list_removals()) == 1
    assert not harness.journal.intents
    await harness.restore()


async def test_a_restored_document_of_open_webui_is_ignored_by_file_sync(harness: TrashHarness) -> None:
    await harness.upload_file()
    await harness.remove(None, FILE_ID)
    (removal,) = await harness.list_removals()
    assert removal.removed_by == "open-webui"
    harness.bedrock.fails = AssertionError("a restore must not embed anything")
    assert await harness.restore(document_id=FILE_ID) == ID, (
        "the document has the id of an upload of that name"
    )
    assert harness.list_found(ID) == [TEXT.decode()]
    assert not harness.list_found(FILE_ID)


async def test_a_document_of_open_webui_whose_file_is_back_is_not_duplicated(harness: TrashHarness) -> None:
    await harness.upload_file()
    await harness.remove(None, FILE_ID)
    await harness.upload_file()
    with pytest.raises(DocumentExists):
        await harness.restore(document_id=FILE_ID)
    assert not harness.list_found(ID)


async def test_in_a_bucket_without_versions_a_document_is_removed_and_not_listed(
    harness: TrashHarness,
) -> None:
    harness.kept.versioned = False
    await harness.upload()
    await harness.remove()
    assert not await harness.list_removals()


async def test_a_document_that_was_deleted_meanwhile_is_missing(harness: TrashHarness) -> None:
    await harness.upload()
    stored = await harness.objects.find(TENANT, ID)
    assert stored
    await harness.objects.delete(TENANT, stored.key)
    with pytest.raises(DocumentMissing):
        await harness.trash.record(TENANT, stored, "anna")


async def test_pages_list_each_removal_once(harness: TrashHarness) -> None:
    for number in range(3):
        await harness.upload(f"Version {number}.".encode())
        await harness.remove()
    seen, after = set(), ""
    while True:
        page = await harness.trash.list_page(OWNER, after=after, limit=2)
        seen |= {removal.id for removal in page.removals}
        if not (after := page.after):
            break
    assert len(seen) == 3


async def test_a_held_deletion_changes_nothing(harness: TrashHarness) -> None:
    await harness.upload()
    harness.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await harness.remove()
    assert harness.list_found() == [TEXT.decode()]
    assert not harness.kept.records
    assert not harness.journal.intents
    (held,) = harness.limit.entries.values()
    assert (held.document_id, held.requested_by) == (ID, "anna@a.example")


async def test_a_colleague_neither_deletes_nor_asks_for_a_deletion(harness: TrashHarness) -> None:
    await harness.upload()
    harness.limit.allowed = 0
    with pytest.raises(DocumentNotOwned):
        await harness.remove(COLLEAGUE)
    assert not harness.limit.entries


async def test_a_rejected_deletion_of_file_sync_leaves_the_document_under_its_name(
    harness: TrashHarness,
) -> None:
    await harness.upload_file()
    harness.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await harness.remove(None, FILE_ID)
    harness.bedrock.fails = AssertionError("a restore must not embed anything")
    rejected = await harness.rejection.reject(ADMIN)
    assert [deletion.document_id for deletion in rejected.kept] == [FILE_ID]
    assert not rejected.in_trash
    assert harness.list_found(ID) == [TEXT.decode()]
    assert not harness.list_found(FILE_ID)
    assert not harness.limit.entries
    assert not await harness.list_removals(ADMIN)


async def test_a_rejected_deletion_of_a_person_leaves_the_document_as_it_is(harness: TrashHarness) -> None:
    await harness.upload()
    harness.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await harness.remove()
    rejected = await harness.rejection.reject(ADMIN)
    assert [deletion.document_id for deletion in rejected.kept] == [ID]
    assert harness.list_found() == [TEXT.decode()]
    assert not harness.limit.entries


async def test_a_rejected_deletion_is_in_the_trash_and_reported_if_its_name_is_taken(
    harness: TrashHarness,
) -> None:
    await harness.upload(b"The marketing budget is $6.")
    await harness.upload_file()
    harness.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await harness.remove(None, FILE_ID)
    rejected = await harness.rejection.reject(ADMIN)
    assert [deletion.document_id for deletion in rejected.in_trash] == [FILE_ID]
    assert [removal.document_id for removal in await harness.list_removals(ADMIN)] == [FILE_ID]
    assert harness.list_found() == ["The marketing budget is $6."]


async def test_an_interrupted_rejection_continues(harness: TrashHarness) -> None:
    await harness.upload_file()
    harness.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await harness.remove(None, FILE_ID)
    harness.limit.allowed = 1
    await harness.remove(None, FILE_ID)  # the first half of a rejection
    rejected = await harness.rejection.reject(ADMIN)
    assert [deletion.document_id for deletion in rejected.kept] == [FILE_ID]
    assert harness.list_found(ID) == [TEXT.decode()]
    assert not harness.limit.entries


async def test_one_request_rejects_some_deletions_and_returns_the_number_of_the_others(
    harness: TrashHarness,
) -> None:
    harness.limit.allowed = 0
    for number in range(MAX_REJECTED + 2):
        await harness.service.upload(
            TENANT, "finance", f"{number}.md", b"Text.", OWNER.subject, RequestTimings()
        )
        with pytest.raises(DeletionsHeld):
            await harness.remove(document_id=derive_document_id("tenanta", "finance", f"{number}.md"))
    rejected = await harness.rejection.reject(ADMIN)
    assert (len(rejected.kept), rejected.remaining) == (MAX_REJECTED, 2)
    assert len(harness.limit.entries) == 2


NEWER_ID = "owui-77aa"
NEWER_KEY = f"tenant-tenanta/finance/documents/{NEWER_ID}/{NAME}"


@pytest.mark.parametrize("owner", [OWNER, COLLEAGUE], ids=["its-owners", "a-colleagues"])
@pytest.mark.parametrize("removed_id", [ID, FILE_ID], ids=["uploaded-here", "a-file"])
async def test_a_restore_is_refused_while_a_file_has_the_name(
    harness: TrashHarness, removed_id: str, owner: Principal
) -> None:
    await (harness.upload() if removed_id == ID else harness.upload_file())
    await harness.remove(ADMIN, removed_id)
    harness.objects.contents[NEWER_KEY] = b"The marketing budget is $6."
    harness.objects.owners[NEWER_KEY] = owner.subject
    for person in (OWNER, ADMIN):
        with pytest.raises(DocumentExists, match=NAME):
            await harness.restore(person, removed_id)
    assert list(harness.objects.contents) == [NEWER_KEY]
    assert [removal.document_id for removal in await harness.list_removals()] == [removed_id]
    await harness.objects.delete(TENANT, NEWER_KEY)
    await harness.restore(document_id=removed_id)
    assert harness.list_found(ID) == [TEXT.decode()]


@pytest.mark.parametrize(
    "key",
    [
        f"tenant-tenanta/finance/documents/{NEWER_ID}/other.md",
        f"tenant-tenanta/hr/documents/{NEWER_ID}/{NAME}",
        f"tenant-tenantb/finance/documents/{NEWER_ID}/{NAME}",
    ],
    ids=["another-name", "another-persona", "another-tenant"],
)
async def test_a_restore_succeeds_if_no_other_document_has_the_name(harness: TrashHarness, key: str) -> None:
    await harness.upload_file()
    await harness.remove(ADMIN, FILE_ID)
    harness.objects.contents[key] = TEXT
    await harness.restore(document_id=FILE_ID)
    assert harness.list_found(ID) == [TEXT.decode()]


async def test_a_rejected_deletion_ends_in_the_trash_if_another_file_has_the_name(
    harness: TrashHarness,
) -> None:
    await harness.upload_file()
    harness.objects.contents[NEWER_KEY] = b"The marketing budget is $6."
    harness.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await harness.remove(None, FILE_ID)
    rejected = await harness.rejection.reject(ADMIN)
    assert [deletion.document_id for deletion in rejected.in_trash] == [FILE_ID]
    assert not harness.list_found(ID)


async def test_a_removal_of_a_replaced_document_is_not_a_deletion(harness: TrashHarness) -> None:
    await harness.upload_file()
    harness.objects.contents[NEWER_KEY] = b"The marketing budget is $6."
    harness.objects.owners[NEWER_KEY] = OWNER.subject
    harness.limit.allowed = 0
    remove = partial(harness.catalog.remove, TENANT, FILE_ID, person=None, replaced_by=NEWER_ID)
    with pytest.raises(DeletionsHeld):  # the replacing document is not ready yet
        await remove()
    harness.journal.intents["tenanta", NEWER_ID] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    await remove()
    assert not harness.list_found(FILE_ID)
    assert len(await harness.list_removals()) == 1, "the document is in the trash anyway"


@pytest.mark.parametrize("other", [FILE_ID, "owui-none", "owui-other-name", "owui-colleagues"])
async def test_a_removal_with_a_wrong_replacement_is_a_deletion(harness: TrashHarness, other: str) -> None:
    await harness.upload_file()
    others = {"owui-other-name": ("other.md", OWNER), "owui-colleagues": (NAME, COLLEAGUE)}
    for document_id, (name, owner) in others.items():
        key = f"tenant-tenanta/finance/documents/{document_id}/{name}"
        harness.objects.contents[key] = TEXT
        harness.objects.owners[key] = owner.subject
        harness.journal.intents["tenanta", document_id] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    harness.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await harness.catalog.remove(TENANT, FILE_ID, person=None, replaced_by=other)


async def test_a_recreated_tenant_has_no_access_to_the_earlier_trash() -> None:
    earlier = make_tenant("tenanta")
    later = earlier.model_copy(
        update={"metadata": earlier.metadata.model_copy(update={"uid": "another-uid"})}
    )
    keys = {build_removal_key(tenant.id, tenant.uid, ID, "r") for tenant in (earlier, later)}
    assert len(keys) == 2
    for tenant in (earlier, later):
        own = build_removals_prefix(tenant.id, tenant.uid)
        assert [key.startswith(own) for key in keys].count(True) == 1
