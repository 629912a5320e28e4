"""What a repair makes of a write that was cut off, and what it leaves alone."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from gateway.documents.catalog import Catalog
from gateway.documents.intents import Intent, IntentKind
from gateway.documents.reader import DocumentReader
from gateway.documents.repair import MAX_ATTEMPTS, TENANTS_PER_CALL, Repair
from gateway.documents.service import DocumentService
from servicekit.errors import RemoteUnavailable
from tenancy.model import Tenant

from tests.support.backends import FakeBedrock, FakeObjects, FakeVectors, object_version_of
from tests.support.deletions import FakeDeletionLimit
from tests.support.journal import FakeJournal
from tests.support.limits import FakeStorageQuota, FakeUsage, metric
from tests.support.tenants import make_tenant
from tests.support.trash import FakeTrashObjects, make_trash
from tests.support.waiting import until

TENANT = make_tenant("tenanta")
ENTRY = ("tenanta", "doc-1")
KEY = "tenant-tenanta/finance/documents/doc-1/budget.md"
POINTS = ("tenant-tenanta", "doc-1")
DOWN = RemoteUnavailable("qdrant", "upsert", "down")


@dataclass
class World:
    """A repair and what is behind it."""

    reader: DocumentReader
    tenants: list[Tenant] = field(default_factory=lambda: [TENANT])
    bedrock: FakeBedrock = field(default_factory=FakeBedrock)
    objects: FakeObjects = field(default_factory=FakeObjects)
    vectors: FakeVectors = field(default_factory=FakeVectors)
    journal: FakeJournal = field(default_factory=FakeJournal)
    quota: FakeStorageQuota = field(default_factory=FakeStorageQuota)

    def __post_init__(self) -> None:
        objects, vectors = self.objects.as_adapter(), self.vectors.as_adapter()
        journal, quota = self.journal.as_journal(), self.quota.as_quota()
        self.service = DocumentService(
            self.reader,
            self.bedrock.as_adapter(),
            objects,
            vectors,
            quota,
            FakeUsage().as_log(),
            journal,
            max_bytes=10_000,
        )
        self.kept = FakeTrashObjects(self.objects)
        self.trash = make_trash(self.objects, self.vectors, self.service, kept=self.kept)
        self.repair = Repair(
            lambda: self.tenants,
            journal,
            objects,
            vectors,
            self.service,
            Catalog(objects, vectors, quota, journal, self.trash, FakeDeletionLimit().as_limit()),
            self.trash,
            interval=0.01,
        )

    def found(self) -> list[str]:
        """Return the texts that can be found of the document."""
        _, chunks, _ = self.vectors.documents.get(POINTS, (None, [], []))
        return [chunk.text for chunk in chunks]


@pytest.fixture
def world(reader: DocumentReader) -> World:
    return World(reader)


async def test_a_stored_document_that_was_not_indexed_is_indexed_under_the_names_in_its_key(
    world: World,
) -> None:
    world.objects.contents[KEY] = b"The budget is $5."
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    assert world.found() == ["The budget is $5."]
    document, _, _ = world.vectors.documents[POINTS]
    assert (document.persona_id, document.filename) == ("finance", "budget.md")
    assert not world.journal.intents


async def test_of_a_document_whose_content_is_indexed_already_only_old_versions_are_removed(
    world: World,
) -> None:
    world.objects.contents[KEY] = b"The budget is $5."
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    world.bedrock.fails = AssertionError("nothing is to be embedded")
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    assert world.vectors.deleted_stale == ["doc-1"]
    assert not world.journal.intents


async def test_of_an_object_that_is_gone_the_index_goes_too(world: World) -> None:
    world.objects.contents[KEY] = b"The budget is $5."
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    del world.objects.contents[KEY]
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    assert not world.found()
    assert not world.journal.intents


async def test_a_delete_that_was_cut_off_is_completed_and_nothing_is_found_again(world: World) -> None:
    world.objects.contents[KEY] = b"The budget is $5."
    world.journal.intents[ENTRY] = Intent(
        IntentKind.DELETE, to_delete=object_version_of(b"The budget is $5.")
    )
    await world.repair.sweep()
    assert not world.objects.contents
    assert not world.found()
    assert world.quota.released == ["doc-1"]
    assert not world.journal.intents


@pytest.mark.parametrize("stored", ["another content", "the same content, stored again"])
async def test_a_delete_that_was_cut_off_spares_what_was_stored_since(world: World, stored: str) -> None:
    to_delete = object_version_of(b"Old.")
    if stored == "another content":
        world.objects.contents[KEY] = b"New."
    else:
        world.objects.contents[KEY] = b"Old."
        to_delete = replace(to_delete, stored_at=to_delete.stored_at - timedelta(seconds=1))
    world.journal.intents[ENTRY] = Intent(IntentKind.DELETE, to_delete=to_delete)
    await world.repair.sweep()
    assert world.objects.contents
    assert not world.found(), "to index it is its own ingest's affair"
    assert not world.journal.intents


async def test_a_document_that_is_no_good_becomes_failed_with_the_reason(world: World) -> None:
    world.objects.contents[KEY] = b"\x00\x01 no text"
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    failure = world.journal.failures[ENTRY]
    assert failure.etag == object_version_of(b"\x00\x01 no text").etag
    assert failure.type.rpartition("/")[2].startswith("document-")
    assert failure.detail
    assert not world.journal.intents


async def test_a_document_of_a_persona_that_is_gone_becomes_failed(world: World) -> None:
    world.objects.contents["tenant-tenanta/legal/documents/doc-1/budget.md"] = b"Text."
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    assert world.journal.failures[ENTRY].type.endswith("/persona-missing")


async def test_after_five_attempts_it_is_given_up_with_a_clear_reason(world: World) -> None:
    world.objects.contents[KEY] = b"Text."
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    world.vectors.fails = DOWN
    before = metric("tenantry_gateway_repairs_total", outcome="given_up")
    for attempt in range(1, MAX_ATTEMPTS):
        await world.repair.sweep()
        assert world.journal.intents[ENTRY].attempts == attempt
        assert not world.journal.failures
    await world.repair.sweep()
    failure = world.journal.failures[ENTRY]
    assert failure.type.endswith("/indexing-failed")
    assert "5 attempts" in failure.detail
    assert "upsert" not in failure.detail, "a backend's own words are for the log"
    assert not world.journal.intents
    assert metric("tenantry_gateway_repairs_total", outcome="given_up") == before + 1


async def test_a_document_that_kills_its_gateway_is_given_up_without_another_try(world: World) -> None:
    world.objects.contents[KEY] = b"Text."
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST, attempts=MAX_ATTEMPTS)
    world.bedrock.fails = AssertionError("it must not be tried again")
    await world.repair.sweep()
    assert world.journal.failures[ENTRY].type.endswith("/indexing-failed")
    assert not world.found()


async def test_what_cannot_be_looked_at_is_never_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise RemoteUnavailable("s3", "find", "down")

    monkeypatch.setattr(world.objects, "find", away)
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    for _ in range(MAX_ATTEMPTS + 2):
        await world.repair.sweep()
    assert ENTRY in world.journal.intents
    assert not world.journal.failures


@pytest.mark.parametrize(
    "tenant",
    [make_tenant("tenanta", suspended=True), make_tenant("tenanta", deleting=True)],
    ids=["suspended", "deleting"],
)
async def test_suspended_tenants_and_those_on_their_way_out_are_left_alone(
    world: World, tenant: Tenant
) -> None:
    world.tenants = [tenant]
    world.objects.contents[KEY] = b"Text."
    world.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await world.repair.sweep()
    assert not world.journal.asked
    assert not world.found()


async def test_an_entry_of_one_tenant_touches_no_other_tenants_document(world: World) -> None:
    """Even one that carries another tenant's key as its document id."""
    other = make_tenant("tenantb")
    world.tenants = [TENANT, other]
    theirs = "tenant-tenantb/finance/documents/doc-1/budget.md"
    world.objects.contents[theirs] = b"Theirs."
    for document_id in ("doc-1", theirs, "../../tenant-tenantb/finance/documents/doc-1"):
        world.journal.intents["tenanta", document_id] = Intent(
            IntentKind.DELETE, to_delete=object_version_of(b"Theirs.")
        )
        await world.repair.sweep()
        world.journal.intents["tenanta", document_id] = Intent(IntentKind.INGEST)
        await world.repair.sweep()
    assert world.objects.contents == {theirs: b"Theirs."}
    assert not world.vectors.documents


async def test_one_documents_surprise_does_not_stop_the_repair_of_others(world: World) -> None:
    world.tenants = [TENANT, make_tenant("tenantb")]
    for tenant_id in ("tenanta", "tenantb"):
        world.objects.contents[f"tenant-{tenant_id}/finance/documents/doc-1/a.md"] = b"Text."
        world.journal.intents[tenant_id, "doc-1"] = Intent(IntentKind.INGEST)
    get_indexed = world.vectors.get_indexed
    before = metric("tenantry_gateway_repairs_total", outcome="error")

    async def surprising(tenant: Tenant, ids: list[str]) -> object:
        if tenant.id == "tenanta":
            raise RuntimeError("a fault of ours")
        return await get_indexed(tenant, ids)

    world.vectors.get_indexed = surprising  # type: ignore[assignment, method-assign]
    await world.repair.sweep()
    assert ("tenant-tenantb", "doc-1") in world.vectors.documents
    assert world.journal.intents[ENTRY].attempts == 1, "it counts as an attempt"
    assert metric("tenantry_gateway_repairs_total", outcome="error") == before + 1


async def test_the_repair_goes_on_after_whatever_happens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def list_due(tenants: object) -> list[object]:
        nonlocal looks
        looks += 1
        raise (DOWN, RuntimeError("a fault of ours"), asyncio.CancelledError())[looks % 3]

    monkeypatch.setattr(world.journal, "list_due", list_due)
    running = asyncio.create_task(world.repair.run())
    await until(lambda: looks > 6)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_repair_that_hangs_is_put_off_and_keeps_nobody_waiting(world: World) -> None:
    world.tenants = [TENANT, make_tenant("tenantb")]
    for tenant_id in ("tenanta", "tenantb"):
        world.objects.contents[f"tenant-{tenant_id}/finance/documents/doc-1/a.md"] = b"Text."
        world.journal.intents[tenant_id, "doc-1"] = Intent(IntentKind.INGEST)
    get_indexed = world.vectors.get_indexed

    async def hanging(tenant: Tenant, ids: list[str]) -> object:
        if tenant.id == "tenanta":
            await asyncio.Event().wait()
        return await get_indexed(tenant, ids)

    world.vectors.get_indexed = hanging  # type: ignore[assignment, method-assign]
    world.repair._attempt_timeout = 0.2
    await world.repair.sweep()
    assert ("tenant-tenantb", "doc-1") in world.vectors.documents
    assert world.journal.intents[ENTRY].attempts == 1, "it counts as an attempt"


async def test_many_tenants_are_asked_about_in_a_few_calls(world: World) -> None:
    calls = []
    list_due = world.journal.list_due

    async def counted(tenants: list[Tenant]) -> object:
        calls.append(len(tenants))
        return await list_due(tenants)

    world.journal.list_due = counted  # type: ignore[assignment, method-assign]
    world.tenants = [make_tenant(f"t-{number}") for number in range(2 * TENANTS_PER_CALL + 1)]
    await world.repair.sweep()
    assert calls == [TENANTS_PER_CALL, TENANTS_PER_CALL, 1]
