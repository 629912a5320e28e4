"""Tests of the repair of interrupted writes."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from gateway.documents.catalog import Catalog
from gateway.documents.intents import Intent, IntentKind
from gateway.documents.reader import DocumentReader
from gateway.documents.repair import MAX_ATTEMPTS, TENANTS_PER_CALL, Repair
from gateway.documents.service import DocumentService
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant

from tests.support.fakes.backends import FakeBedrock, FakeObjects, FakeVectors, make_object_version
from tests.support.fakes.deletions import FakeDeletionLimit
from tests.support.fakes.journal import FakeJournal
from tests.support.fakes.limits import FakeStorageQuota, FakeUsage, get_metric
from tests.support.fakes.trash import FakeTrashObjects, make_trash
from tests.support.tenants.manifests import make_tenant
from tests.support.timing.waiting import wait_until

TENANT = make_tenant("tenanta")
ENTRY = ("tenanta", "doc-1")
KEY = "tenant-tenanta/finance/documents/doc-1/budget.md"
POINTS = ("tenant-tenanta", "doc-1")
DOWN = BackendUnavailable("qdrant", "upsert", "down")


@dataclass
class RepairHarness:
    """A repair loop on fakes."""

    reader: DocumentReader
    tenants: list[Tenant] = field(default_factory=lambda: [TENANT])
    bedrock: FakeBedrock = field(default_factory=FakeBedrock)
    objects: FakeObjects = field(default_factory=FakeObjects)
    vectors: FakeVectors = field(default_factory=FakeVectors)
    journal: FakeJournal = field(default_factory=FakeJournal)
    quota: FakeStorageQuota = field(default_factory=FakeStorageQuota)

    def __post_init__(self) -> None:
        objects, vectors = self.objects.cast_to_real_class(), self.vectors.cast_to_real_class()
        journal, quota = self.journal.cast_to_real_class(), self.quota.cast_to_real_class()
        self.service = DocumentService(
            self.reader,
            self.bedrock.cast_to_real_class(),
            objects,
            vectors,
            quota,
            FakeUsage().cast_to_real_class(),
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
            Catalog(objects, vectors, quota, journal, self.trash, FakeDeletionLimit().cast_to_real_class()),
            self.trash,
            interval=0.01,
        )

    def list_found(self) -> list[str]:
        """Return the texts of the document in the index."""
        _, chunks, _ = self.vectors.documents.get(POINTS, (None, [], []))
        return [chunk.text for chunk in chunks]


@pytest.fixture
def harness(reader: DocumentReader) -> RepairHarness:
    return RepairHarness(reader)


async def test_a_stored_document_that_was_not_indexed_is_indexed_under_the_names_in_its_key(
    harness: RepairHarness,
) -> None:
    harness.objects.contents[KEY] = b"The budget is $5."
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    assert harness.list_found() == ["The budget is $5."]
    document, _, _ = harness.vectors.documents[POINTS]
    assert (document.persona_id, document.filename) == ("finance", "budget.md")
    assert not harness.journal.intents


async def test_a_repair_of_an_indexed_document_only_deletes_stale_versions(
    harness: RepairHarness,
) -> None:
    harness.objects.contents[KEY] = b"The budget is $5."
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    harness.bedrock.fails = AssertionError("a restore must not embed anything")
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    assert harness.vectors.deleted_stale == ["doc-1"]
    assert not harness.journal.intents


async def test_a_repair_without_an_object_deletes_the_index(harness: RepairHarness) -> None:
    harness.objects.contents[KEY] = b"The budget is $5."
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    del harness.objects.contents[KEY]
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    assert not harness.list_found()
    assert not harness.journal.intents


async def test_an_interrupted_delete_is_completed(harness: RepairHarness) -> None:
    harness.objects.contents[KEY] = b"The budget is $5."
    harness.journal.intents[ENTRY] = Intent(
        IntentKind.DELETE, to_delete=make_object_version(b"The budget is $5.")
    )
    await harness.repair.sweep()
    assert not harness.objects.contents
    assert not harness.list_found()
    assert harness.quota.released == ["doc-1"]
    assert not harness.journal.intents


@pytest.mark.parametrize("stored", ["another content", "the same content, stored again"])
async def test_an_interrupted_delete_keeps_a_version_that_was_stored_later(
    harness: RepairHarness, stored: str
) -> None:
    to_delete = make_object_version(b"Old.")
    if stored == "another content":
        harness.objects.contents[KEY] = b"New."
    else:
        harness.objects.contents[KEY] = b"Old."
        to_delete = replace(to_delete, stored_at=to_delete.stored_at - timedelta(seconds=1))
    harness.journal.intents[ENTRY] = Intent(IntentKind.DELETE, to_delete=to_delete)
    await harness.repair.sweep()
    assert harness.objects.contents
    assert not harness.list_found(), "an indexed document is not ingested again"
    assert not harness.journal.intents


async def test_a_refused_document_becomes_failed_with_the_reason(harness: RepairHarness) -> None:
    harness.objects.contents[KEY] = b"\x00\x01 no text"
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    failure = harness.journal.failures[ENTRY]
    assert failure.etag == make_object_version(b"\x00\x01 no text").etag
    assert failure.type.rpartition("/")[2].startswith("document-")
    assert failure.detail
    assert not harness.journal.intents


async def test_a_document_of_a_deleted_persona_becomes_failed(harness: RepairHarness) -> None:
    harness.objects.contents["tenant-tenanta/legal/documents/doc-1/budget.md"] = b"Text."
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    assert harness.journal.failures[ENTRY].type.endswith("/persona-missing")


async def test_after_five_attempts_a_document_becomes_failed_with_the_last_error(
    harness: RepairHarness,
) -> None:
    harness.objects.contents[KEY] = b"Text."
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    harness.vectors.fails = DOWN
    before = get_metric("tenantry_gateway_repairs_total", outcome="given_up")
    for attempt in range(1, MAX_ATTEMPTS):
        await harness.repair.sweep()
        assert harness.journal.intents[ENTRY].attempts == attempt
        assert not harness.journal.failures
    await harness.repair.sweep()
    failure = harness.journal.failures[ENTRY]
    assert failure.type.endswith("/indexing-failed")
    assert "5 attempts" in failure.detail
    assert "upsert" not in failure.detail, "the error of a backend is only logged"
    assert not harness.journal.intents
    assert get_metric("tenantry_gateway_repairs_total", outcome="given_up") == before + 1


async def test_a_document_that_ends_its_gateway_becomes_failed_without_another_attempt(
    harness: RepairHarness,
) -> None:
    harness.objects.contents[KEY] = b"Text."
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST, attempts=MAX_ATTEMPTS)
    harness.bedrock.fails = AssertionError("it must not be tried again")
    await harness.repair.sweep()
    assert harness.journal.failures[ENTRY].type.endswith("/indexing-failed")
    assert not harness.list_found()


async def test_a_document_that_cannot_be_read_from_s3_stays_due(
    harness: RepairHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raise_unavailable(*_: object) -> None:
        raise BackendUnavailable("s3", "find", "down")

    monkeypatch.setattr(harness.objects, "find", raise_unavailable)
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    for _ in range(MAX_ATTEMPTS + 2):
        await harness.repair.sweep()
    assert ENTRY in harness.journal.intents
    assert not harness.journal.failures


@pytest.mark.parametrize(
    "tenant",
    [make_tenant("tenanta", suspended=True), make_tenant("tenanta", deleting=True)],
    ids=["suspended", "deleting"],
)
async def test_suspended_and_deleting_tenants_are_skipped(harness: RepairHarness, tenant: Tenant) -> None:
    harness.tenants = [tenant]
    harness.objects.contents[KEY] = b"Text."
    harness.journal.intents[ENTRY] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    assert not harness.journal.listed_tenants
    assert not harness.list_found()


async def test_an_entry_of_one_tenant_touches_no_other_tenants_document(harness: RepairHarness) -> None:
    """Use an entry that has another tenant's key as its document id."""
    other = make_tenant("tenantb")
    harness.tenants = [TENANT, other]
    theirs = "tenant-tenantb/finance/documents/doc-1/budget.md"
    harness.objects.contents[theirs] = b"Theirs."
    for document_id in ("doc-1", theirs, "../../tenant-tenantb/finance/documents/doc-1"):
        harness.journal.intents["tenanta", document_id] = Intent(
            IntentKind.DELETE, to_delete=make_object_version(b"Theirs.")
        )
        await harness.repair.sweep()
        harness.journal.intents["tenanta", document_id] = Intent(IntentKind.INGEST)
        await harness.repair.sweep()
    assert harness.objects.contents == {theirs: b"Theirs."}
    assert not harness.vectors.documents


async def test_an_unexpected_error_of_one_document_does_not_stop_other_repairs(
    harness: RepairHarness,
) -> None:
    harness.tenants = [TENANT, make_tenant("tenantb")]
    for tenant_id in ("tenanta", "tenantb"):
        harness.objects.contents[f"tenant-{tenant_id}/finance/documents/doc-1/a.md"] = b"Text."
        harness.journal.intents[tenant_id, "doc-1"] = Intent(IntentKind.INGEST)
    get_indexed = harness.vectors.get_indexed
    before = get_metric("tenantry_gateway_repairs_total", outcome="error")

    async def raise_unexpected(tenant: Tenant, ids: list[str]) -> object:
        if tenant.id == "tenanta":
            raise RuntimeError("a fault of ours")
        return await get_indexed(tenant, ids)

    harness.vectors.get_indexed = raise_unexpected  # type: ignore[assignment, method-assign]
    await harness.repair.sweep()
    assert ("tenant-tenantb", "doc-1") in harness.vectors.documents
    assert harness.journal.intents[ENTRY].attempts == 1, "the failure counts as an attempt"
    assert get_metric("tenantry_gateway_repairs_total", outcome="error") == before + 1


async def test_the_repair_loop_continues_after_any_error(
    harness: RepairHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    async def list_due(tenants: object) -> list[object]:
        nonlocal calls
        calls += 1
        raise (DOWN, RuntimeError("a fault of ours"), asyncio.CancelledError())[calls % 3]

    monkeypatch.setattr(harness.journal, "list_due", list_due)
    running = asyncio.create_task(harness.repair.run())
    await wait_until(lambda: calls > 6)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_hanging_repair_times_out_and_blocks_no_other(harness: RepairHarness) -> None:
    harness.tenants = [TENANT, make_tenant("tenantb")]
    for tenant_id in ("tenanta", "tenantb"):
        harness.objects.contents[f"tenant-{tenant_id}/finance/documents/doc-1/a.md"] = b"Text."
        harness.journal.intents[tenant_id, "doc-1"] = Intent(IntentKind.INGEST)
    get_indexed = harness.vectors.get_indexed

    async def hang(tenant: Tenant, ids: list[str]) -> object:
        if tenant.id == "tenanta":
            await asyncio.Event().wait()
        return await get_indexed(tenant, ids)

    harness.vectors.get_indexed = hang  # type: ignore[assignment, method-assign]
    harness.repair._attempt_timeout = 0.2
    await harness.repair.sweep()
    assert ("tenant-tenantb", "doc-1") in harness.vectors.documents
    assert harness.journal.intents[ENTRY].attempts == 1, "the failure counts as an attempt"


async def test_many_tenants_need_few_calls(harness: RepairHarness) -> None:
    calls = []
    list_due = harness.journal.list_due

    async def count_call(tenants: list[Tenant]) -> object:
        calls.append(len(tenants))
        return await list_due(tenants)

    harness.journal.list_due = count_call  # type: ignore[assignment, method-assign]
    harness.tenants = [make_tenant(f"t-{number}") for number in range(2 * TENANTS_PER_CALL + 1)]
    await harness.repair.sweep()
    assert calls == [TENANTS_PER_CALL, TENANTS_PER_CALL, 1]


async def test_the_metric_is_the_number_of_pending_writes(harness: RepairHarness) -> None:
    for number in range(3):
        harness.journal.intents["tenanta", f"doc-{number}"] = Intent(IntentKind.INGEST)
    await harness.repair.sweep()
    assert get_metric("tenantry_gateway_pending_writes") == 3
    await harness.repair.sweep()
    assert get_metric("tenantry_gateway_pending_writes") == 0
