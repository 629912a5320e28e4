"""Removed documents: kept, listed, restored, and gone when their time is over."""

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
    DocumentForeign,
    DocumentMissing,
    PersonaMissing,
    QuotaExceeded,
    TrashMissing,
)
from gateway.timings import RequestTimings
from servicekit.errors import RemoteUnavailable
from tenancy.identity import Principal
from tenancy.names import document_id_for, removal_key, removals_prefix

from tests.support.backends import FakeBedrock, FakeObjects, FakeVectors, object_version_of
from tests.support.deletions import FakeDeletionLimit
from tests.support.journal import FakeJournal
from tests.support.limits import FakeStorageQuota, FakeUsage
from tests.support.tenants import make_tenant
from tests.support.trash import FakeTrashObjects, make_trash

TENANT = make_tenant("tenanta", personas=[{"id": "finance"}])
OWNER = Principal(TENANT, "anna", "anna@a.example", admin=False)
COLLEAGUE = Principal(TENANT, "ben", "ben@a.example", admin=False)
ADMIN = Principal(TENANT, "boss", "boss@a.example", admin=True)
STRANGER = Principal(make_tenant("tenantb", personas=[{"id": "finance"}]), "anna", "", admin=True)
NAME = "budget.md"
ID = document_id_for("tenanta", "finance", NAME)
TEXT = b"The marketing budget is $5."
FILE_ID = "owui-5cfc3ab1"
FILE_KEY = f"tenant-tenanta/finance/documents/{FILE_ID}/{NAME}"
DOWN = RemoteUnavailable("qdrant", "delete", "down")


@dataclass
class World:
    """A trash and what is behind it."""

    reader: DocumentReader
    retention: timedelta = timedelta(days=30)
    bedrock: FakeBedrock = field(default_factory=FakeBedrock)
    objects: FakeObjects = field(default_factory=FakeObjects)
    vectors: FakeVectors = field(default_factory=FakeVectors)
    journal: FakeJournal = field(default_factory=FakeJournal)
    quota: FakeStorageQuota = field(default_factory=FakeStorageQuota)
    limit: FakeDeletionLimit = field(default_factory=FakeDeletionLimit)

    def __post_init__(self) -> None:
        adapters = (self.objects.as_adapter(), self.vectors.as_adapter())
        quota, journal = self.quota.as_quota(), self.journal.as_journal()
        self.service = DocumentService(
            self.reader,
            self.bedrock.as_adapter(),
            *adapters,
            quota,
            FakeUsage().as_log(),
            journal,
            max_bytes=10_000,
        )
        self.kept = FakeTrashObjects(self.objects)
        self.trash = make_trash(
            self.objects, self.vectors, self.service, kept=self.kept, retention=self.retention
        )
        self.catalog = Catalog(*adapters, quota, journal, self.trash, self.limit.as_limit())
        self.rejection = DeletionRejection(self.catalog, self.trash, self.limit.as_limit())
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

    async def listed(self, person: Principal = OWNER) -> list[Removal]:
        return (await self.trash.list_page(person, limit=50)).removals

    def found(self, document_id: str = ID) -> list[str]:
        """Return the texts that a search can find of the document."""
        _, chunks, _ = self.vectors.documents.get((TENANT.key, document_id), (None, [], []))
        return [chunk.text for chunk in chunks]


@pytest.fixture
def world(reader: DocumentReader) -> World:
    return World(reader)


async def test_a_removed_document_is_listed_with_who_removed_it_and_until_when_it_can_be_restored(
    world: World,
) -> None:
    await world.upload()
    before = datetime.now(UTC)
    await world.remove(ADMIN)
    assert not world.found()
    (removal,) = await world.listed()
    assert (removal.document_id, removal.persona_id, removal.filename) == (ID, "finance", NAME)
    assert removal.size == len(TEXT)
    assert removal.removed_by == "boss@a.example"
    assert before <= removal.removed_at <= datetime.now(UTC)
    assert world.trash.restorable_until(removal) == removal.removed_at + timedelta(days=30)


async def test_restoring_makes_it_found_again_and_embeds_nothing(world: World) -> None:
    await world.upload()
    await world.remove()
    world.bedrock.fails = AssertionError("nothing is to be embedded")
    assert await world.restore() == ID
    assert world.found() == [TEXT.decode()]
    assert list(world.objects.contents.values()) == [TEXT]
    assert not await world.listed()
    assert not world.kept.embeddings
    assert not world.journal.intents
    assert world.quota.reserved[-1] == ("tenanta", ID, len(TEXT)), "it counts again"


async def test_only_what_has_no_embedding_is_embedded(world: World) -> None:
    await world.upload()
    await world.remove()
    world.kept.embeddings.clear()
    world.bedrock.embedded.clear()
    await world.restore()
    assert world.bedrock.embedded == [TEXT.decode()]
    assert world.found() == [TEXT.decode()]


async def test_a_colleague_neither_lists_nor_restores_it(world: World) -> None:
    await world.upload()
    await world.remove()
    assert not await world.listed(COLLEAGUE)
    with pytest.raises(DocumentForeign):
        await world.restore(COLLEAGUE)
    assert len(await world.listed(ADMIN)) == 1
    await world.restore(ADMIN)
    assert world.objects.owners.popitem()[1] == OWNER.subject, "it belongs to the same person as before"


async def test_another_tenants_administrator_neither_lists_nor_restores_it(world: World) -> None:
    await world.upload()
    await world.remove()
    assert not await world.listed(STRANGER)
    with pytest.raises(TrashMissing):
        await world.restore(STRANGER)


async def test_it_is_not_restored_over_a_document_of_that_name_and_nothing_of_either_is_lost(
    world: World,
) -> None:
    await world.upload()
    await world.remove()
    (first,) = await world.listed()
    await world.upload(b"The marketing budget is $6.")
    with pytest.raises(DocumentExists, match=NAME):
        await world.restore()
    assert world.found() == ["The marketing budget is $6."]
    await world.remove()
    assert len(await world.listed()) == 2
    await world.restore(removal_id=first.id)
    assert world.found() == [TEXT.decode()]
    (second,) = await world.listed()
    assert second.id != first.id


async def test_a_colleagues_later_removal_of_the_name_hides_nobodys_own(world: World) -> None:
    await world.upload()
    await world.remove()
    await world.service.upload(TENANT, "finance", NAME, b"Mine.", COLLEAGUE.subject, RequestTimings())
    await world.remove(COLLEAGUE)
    await world.restore(OWNER)
    assert world.found() == [TEXT.decode()]


async def test_without_a_removal_id_the_latest_removal_is_restored(world: World) -> None:
    await world.upload()
    await world.remove()
    await world.upload(b"The marketing budget is $6.")
    await world.remove()
    await world.restore()
    assert world.found() == ["The marketing budget is $6."]


async def test_after_its_time_it_is_neither_listed_nor_restored_and_the_rest_of_it_is_deleted(
    world: World,
) -> None:
    await world.upload()
    await world.remove()
    world.trash.retention = timedelta()
    assert not await world.listed(ADMIN)
    with pytest.raises(TrashMissing):
        await world.restore(ADMIN)
    assert await world.trash.expire(TENANT) == 1
    assert not world.kept.records
    assert not world.kept.embeddings


async def test_what_the_quota_does_not_allow_stays_in_the_trash(world: World) -> None:
    await world.upload()
    await world.remove()
    world.quota.refuses = QuotaExceeded("No room.")
    with pytest.raises(QuotaExceeded):
        await world.restore()
    assert len(await world.listed()) == 1
    assert not world.journal.intents


async def test_a_document_of_a_persona_that_is_gone_stays_in_the_trash(world: World) -> None:
    await world.upload()
    await world.remove()
    moved = replace(OWNER, tenant=make_tenant("tenanta", personas=[{"id": "legal"}]))
    with pytest.raises(PersonaMissing):
        await world.restore(moved)
    assert len(await world.listed()) == 1


async def test_without_a_record_nothing_is_removed(world: World) -> None:
    await world.upload()
    world.kept.fails = DOWN
    with pytest.raises(RemoteUnavailable):
        await world.remove()
    assert world.found() == [TEXT.decode()]
    assert world.objects.contents


async def test_a_removal_that_was_cut_off_is_not_in_the_trash_until_it_is_completed(world: World) -> None:
    await world.upload()
    world.vectors.fails = DOWN
    with pytest.raises(RemoteUnavailable):
        await world.remove(ADMIN)
    assert world.kept.records, "the record is first"
    assert not await world.listed()
    world.vectors.fails = None
    await world.repair.sweep()
    (removal,) = await world.listed()
    assert removal.removed_by == "boss@a.example"
    world.bedrock.fails = AssertionError("nothing is to be embedded")
    await world.restore()


async def test_a_repair_keeps_the_record_and_embeddings_of_the_attempt_that_was_cut_off(
    world: World,
) -> None:
    await world.upload()
    await world.remove()
    first = await world.listed()
    (stored,) = world.objects.versions
    world.objects.contents[stored] = world.objects.versions[stored].pop()
    world.journal.intents["tenanta", ID] = Intent(
        IntentKind.DELETE, to_delete=object_version_of(TEXT), removed_by="anna@a.example"
    )
    await world.repair.sweep()
    assert await world.listed() == first, "with the time at which it was removed"
    world.bedrock.fails = AssertionError("nothing is to be embedded")
    await world.restore()
    assert world.found() == [TEXT.decode()]


async def test_a_restore_that_was_cut_off_is_completed_without_a_new_embedding(world: World) -> None:
    await world.upload()
    await world.remove()
    world.vectors.fails = DOWN
    with pytest.raises(RemoteUnavailable):
        await world.restore()
    assert world.journal.intents["tenanta", ID].kind is IntentKind.RESTORE
    world.vectors.fails = None
    world.bedrock.fails = AssertionError("nothing is to be embedded")
    await world.repair.sweep()
    assert world.found() == [TEXT.decode()]
    assert not world.kept.records
    assert not world.kept.embeddings
    assert not world.journal.intents


async def test_a_restore_that_was_cut_off_before_its_copy_leaves_the_document_in_the_trash(
    world: World,
) -> None:
    await world.upload()
    await world.remove()
    (removal,) = await world.listed()
    world.journal.intents["tenanta", ID] = Intent(IntentKind.RESTORE, restored=(ID, removal.id))
    await world.repair.sweep()
    assert len(await world.listed()) == 1
    assert not world.journal.intents
    await world.restore()


async def test_a_document_of_open_webui_comes_back_as_one_that_file_sync_leaves_alone(world: World) -> None:
    await world.upload_file()
    await world.remove(None, FILE_ID)
    (removal,) = await world.listed()
    assert removal.removed_by == "open-webui"
    world.bedrock.fails = AssertionError("nothing is to be embedded")
    assert await world.restore(document_id=FILE_ID) == ID, "named as a person's upload of that name"
    assert world.found(ID) == [TEXT.decode()]
    assert not world.found(FILE_ID)


async def test_a_document_of_open_webui_whose_file_is_back_is_not_made_twice(world: World) -> None:
    await world.upload_file()
    await world.remove(None, FILE_ID)
    await world.upload_file()
    with pytest.raises(DocumentExists):
        await world.restore(document_id=FILE_ID)
    assert not world.found(ID)


async def test_in_a_bucket_without_versions_a_document_is_removed_and_not_listed(world: World) -> None:
    world.kept.versioned = False
    await world.upload()
    await world.remove()
    assert not await world.listed()


async def test_a_document_that_was_deleted_meanwhile_is_missing(world: World) -> None:
    await world.upload()
    stored = await world.objects.find(TENANT, ID)
    assert stored
    await world.objects.delete(TENANT, stored.key)
    with pytest.raises(DocumentMissing):
        await world.trash.record(TENANT, stored, "anna")


async def test_pages_lead_through_all_removals_once(world: World) -> None:
    for number in range(3):
        await world.upload(f"Edition {number}.".encode())
        await world.remove()
    seen, after = set(), ""
    while True:
        page = await world.trash.list_page(OWNER, after=after, limit=2)
        seen |= {each.id for each in page.removals}
        if not (after := page.after):
            break
    assert len(seen) == 3


async def test_a_held_deletion_changes_nothing(world: World) -> None:
    await world.upload()
    world.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await world.remove()
    assert world.found() == [TEXT.decode()]
    assert not world.kept.records
    assert not world.journal.intents
    (held,) = world.limit.entries.values()
    assert (held.document_id, held.requested_by) == (ID, "anna@a.example")


async def test_a_colleague_neither_deletes_nor_asks_for_a_deletion(world: World) -> None:
    await world.upload()
    world.limit.allowed = 0
    with pytest.raises(DocumentForeign):
        await world.remove(COLLEAGUE)
    assert not world.limit.entries


async def test_a_rejected_deletion_of_file_sync_leaves_the_document_under_its_name(world: World) -> None:
    await world.upload_file()
    world.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await world.remove(None, FILE_ID)
    world.bedrock.fails = AssertionError("nothing is to be embedded")
    rejected = await world.rejection.reject(ADMIN)
    assert [each.document_id for each in rejected.kept] == [FILE_ID]
    assert not rejected.in_trash
    assert world.found(ID) == [TEXT.decode()]
    assert not world.found(FILE_ID)
    assert not world.limit.entries
    assert not await world.listed(ADMIN)


async def test_a_rejected_deletion_of_a_person_leaves_the_document_as_it_is(world: World) -> None:
    await world.upload()
    world.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await world.remove()
    rejected = await world.rejection.reject(ADMIN)
    assert [each.document_id for each in rejected.kept] == [ID]
    assert world.found() == [TEXT.decode()]
    assert not world.limit.entries


async def test_a_rejected_deletion_whose_name_is_taken_ends_in_the_trash_and_says_so(world: World) -> None:
    await world.upload(b"The marketing budget is $6.")
    await world.upload_file()
    world.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await world.remove(None, FILE_ID)
    rejected = await world.rejection.reject(ADMIN)
    assert [each.document_id for each in rejected.in_trash] == [FILE_ID]
    assert [each.document_id for each in await world.listed(ADMIN)] == [FILE_ID]
    assert world.found() == ["The marketing budget is $6."]


async def test_a_rejection_that_was_cut_off_goes_on_where_it_was(world: World) -> None:
    await world.upload_file()
    world.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await world.remove(None, FILE_ID)
    world.limit.allowed = 1
    await world.remove(None, FILE_ID)  # as its first half does
    rejected = await world.rejection.reject(ADMIN)
    assert [each.document_id for each in rejected.kept] == [FILE_ID]
    assert world.found(ID) == [TEXT.decode()]
    assert not world.limit.entries


async def test_one_request_rejects_so_many_and_says_how_many_are_left(world: World) -> None:
    world.limit.allowed = 0
    for number in range(MAX_REJECTED + 2):
        await world.service.upload(
            TENANT, "finance", f"{number}.md", b"Text.", OWNER.subject, RequestTimings()
        )
        with pytest.raises(DeletionsHeld):
            await world.remove(document_id=document_id_for("tenanta", "finance", f"{number}.md"))
    rejected = await world.rejection.reject(ADMIN)
    assert (len(rejected.kept), rejected.remaining) == (MAX_REJECTED, 2)
    assert len(world.limit.entries) == 2


NEWER_ID = "owui-77aa"
NEWER_KEY = f"tenant-tenanta/finance/documents/{NEWER_ID}/{NAME}"


@pytest.mark.parametrize("owner", [OWNER, COLLEAGUE], ids=["its-owners", "a-colleagues"])
@pytest.mark.parametrize("removed_id", [ID, FILE_ID], ids=["uploaded-here", "a-file"])
async def test_c12_a_restore_next_to_a_file_of_the_name_is_refused(
    world: World, removed_id: str, owner: Principal
) -> None:
    await (world.upload() if removed_id == ID else world.upload_file())
    await world.remove(ADMIN, removed_id)
    world.objects.contents[NEWER_KEY] = b"The marketing budget is $6."
    world.objects.owners[NEWER_KEY] = owner.subject
    for person in (OWNER, ADMIN):
        with pytest.raises(DocumentExists, match=NAME):
            await world.restore(person, removed_id)
    assert list(world.objects.contents) == [NEWER_KEY]
    assert [each.document_id for each in await world.listed()] == [removed_id]
    await world.objects.delete(TENANT, NEWER_KEY)
    await world.restore(document_id=removed_id)
    assert world.found(ID) == [TEXT.decode()]


@pytest.mark.parametrize(
    "key",
    [
        f"tenant-tenanta/finance/documents/{NEWER_ID}/other.md",
        f"tenant-tenanta/hr/documents/{NEWER_ID}/{NAME}",
        f"tenant-tenantb/finance/documents/{NEWER_ID}/{NAME}",
    ],
    ids=["another-name", "another-persona", "another-tenant"],
)
async def test_a_restore_next_to_other_documents_is_made(world: World, key: str) -> None:
    await world.upload_file()
    await world.remove(ADMIN, FILE_ID)
    world.objects.contents[key] = TEXT
    await world.restore(document_id=FILE_ID)
    assert world.found(ID) == [TEXT.decode()]


async def test_c12_a_rejected_deletion_whose_name_another_file_has_ends_in_the_trash(world: World) -> None:
    await world.upload_file()
    world.objects.contents[NEWER_KEY] = b"The marketing budget is $6."
    world.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await world.remove(None, FILE_ID)
    rejected = await world.rejection.reject(ADMIN)
    assert [each.document_id for each in rejected.in_trash] == [FILE_ID]
    assert not world.found(ID)


async def test_what_a_newer_document_has_replaced_is_no_deletion(world: World) -> None:
    await world.upload_file()
    world.objects.contents[NEWER_KEY] = b"The marketing budget is $6."
    world.objects.owners[NEWER_KEY] = OWNER.subject
    world.limit.allowed = 0
    remove = partial(world.catalog.remove, TENANT, FILE_ID, person=None, replaced_by=NEWER_ID)
    with pytest.raises(DeletionsHeld):  # it cannot be found yet
        await remove()
    world.journal.intents["tenanta", NEWER_ID] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    await remove()
    assert not world.found(FILE_ID)
    assert len(await world.listed()) == 1, "it is in the trash all the same"


@pytest.mark.parametrize("other", [FILE_ID, "owui-none", "owui-other-name", "owui-colleagues"])
async def test_nothing_else_replaces_a_document(world: World, other: str) -> None:
    await world.upload_file()
    others = {"owui-other-name": ("other.md", OWNER), "owui-colleagues": (NAME, COLLEAGUE)}
    for document_id, (name, owner) in others.items():
        key = f"tenant-tenanta/finance/documents/{document_id}/{name}"
        world.objects.contents[key] = TEXT
        world.objects.owners[key] = owner.subject
        world.journal.intents["tenanta", document_id] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    world.limit.allowed = 0
    with pytest.raises(DeletionsHeld):
        await world.catalog.remove(TENANT, FILE_ID, person=None, replaced_by=other)


async def test_c1_a_tenant_made_again_under_the_name_finds_no_trash_of_the_earlier_one() -> None:
    earlier = make_tenant("tenanta")
    later = earlier.model_copy(
        update={"metadata": earlier.metadata.model_copy(update={"uid": "another-uid"})}
    )
    keys = {removal_key(each.id, each.uid, ID, "r") for each in (earlier, later)}
    assert len(keys) == 2
    for each in (earlier, later):
        own = removals_prefix(each.id, each.uid)
        assert [key.startswith(own) for key in keys].count(True) == 1
