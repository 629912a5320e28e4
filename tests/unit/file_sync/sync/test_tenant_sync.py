"""Tests of the sync of one tenant, with fake adapters and in simulated time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest
from file_sync.metrics import ACTIONS, READY_LAG, STORE_LAG
from file_sync.models import File, ListedDocument, Owner
from file_sync.planner.models import FileState, Plan
from file_sync.planner.persona_index import PersonaIndex
from file_sync.problems import ContentNotAvailable, DeletionsHeld, FileRefused, IngestRefused
from file_sync.sync.in_flight_calls import WAIT_TIMEOUT_SECONDS
from file_sync.sync.tenant_sync import SyncResult, TenantSync
from servicekit.errors import BackendUnavailable
from servicekit.fair_semaphore import FairSemaphore
from structlog.testing import capture_logs
from tenancy.model import Tenant

from tests.support.file_sync.files import (
    make_document,
    make_file,
    make_knowledge_link,
    make_tenant_with_workspace,
)
from tests.support.file_sync.plans import CONFIG, OWNERS
from tests.support.timing.clock import simulate

TENANTS = [make_tenant_with_workspace("tenanta"), make_tenant_with_workspace("tenantb")]


class FakeAdapters:
    """Fakes of all adapters, which record their calls; ``errors`` are raised by operation and document."""

    def __init__(self) -> None:
        self.files: list[File] = []
        self.documents: list[ListedDocument] = []
        self.calls: list[tuple[str, str]] = []
        self.errors: dict[tuple[str, str], Exception] = {}
        self.selected: list[tuple[Sequence[str], Sequence[str]]] = []
        self.listed_tenants: list[str] = []
        self.ingest_seconds = 0.0
        self.has_same_version = False
        self.batches: list[int] = []

    def _record(self, operation: str, document_id: str) -> None:
        self.calls.append((operation, document_id))
        if error := self.errors.get((operation, document_id)):
            raise error

    # OpenWebUIDatabase
    async def list_linked_files(self, knowledge: Sequence[str], models: Sequence[str]) -> list[File]:
        self.selected.append((knowledge, models))
        return [file for file in self.files if any(link.target in knowledge for link in file.links)]

    async def list_files_by_id(self, ids: Sequence[str]) -> list[File]:
        return [file for file in self.files if file.id in ids]

    # GatewayClient
    async def list_documents(self, tenant: Tenant) -> list[ListedDocument]:
        self.listed_tenants.append(tenant.id)
        return list(self.documents)

    async def delete_document(
        self, tenant: Tenant, persona_id: str, document_id: str, filename: str, *, batch: int, **_: Any
    ) -> None:
        self.batches.append(batch)
        self._record("delete", document_id)

    # FileDownloader
    @asynccontextmanager
    async def download(self, file: File) -> AsyncIterator[str]:
        self._record("download", file.document_id)
        yield "content"

    # DocumentStore
    async def put(self, tenant: Tenant, persona_id: str, filename: str, file: File, content: str) -> None:
        self._record("put", file.document_id)

    async def has_version(self, tenant: Tenant, persona_id: str, filename: str, file: File) -> bool:
        self._record("check", file.document_id)
        return self.has_same_version

    async def delete(self, tenant: Tenant, persona_id: str, filename: str, document_id: str) -> None:
        self._record("delete-object", f"{persona_id}/{document_id}/{filename}")

    # UploadWorkflow
    async def ingest(self, tenant: Tenant, persona_id: str, document_id: str, filename: str) -> None:
        self._record("ingest", document_id)
        await asyncio.sleep(self.ingest_seconds)

    # DocumentOwnerResolver
    def make_document_owners(self) -> Any:
        async def resolve(tenant: Tenant, documents: Iterable[ListedDocument]) -> list[ListedDocument]:
            return [replace(each, owner="anna") for each in documents]

        return _make_fake("resolve", resolve)

    # OwnerResolver
    def make_owners(self) -> Any:
        async def resolve(subjects: Iterable[str]) -> dict[str, Owner]:
            return {subject: OWNERS[subject] for subject in subjects}

        return _make_fake("resolve", resolve)

    def make_tenant_sync(self) -> TenantSync:
        fake = cast("Any", self)
        return TenantSync(
            database=fake,
            downloader=fake,
            store=fake,
            gateway=fake,
            workflow=fake,
            owners=self.make_owners(),
            document_owners=self.make_document_owners(),
            put_slots=FairSemaphore(4, per_tenant=2),
            ingest_slots=FairSemaphore(4, per_tenant=2),
        )

    def run(self, runs: int = 1, **options: Any) -> SyncResult:
        """Run syncs in simulated time, and return the last result."""

        async def run_scenario(sync: TenantSync) -> SyncResult:
            for _ in range(runs):
                result = await run(sync, **options)
            return result

        return simulate_with(self, run_scenario)

    def list_calls(self, operation: str) -> list[str]:
        return [document_id for each, document_id in self.calls if each == operation]


def _make_fake(name: str, function: Any) -> Any:
    return type("Fake", (), {name: staticmethod(function)})()


def simulate_with(
    adapters: FakeAdapters, scenario: Callable[[TenantSync], Awaitable[SyncResult]]
) -> SyncResult:
    async def run_with_sync() -> SyncResult:
        sync = adapters.make_tenant_sync()
        try:
            return await scenario(sync)
        finally:
            sync.close()
            await asyncio.sleep(0)

    return simulate(run_with_sync())


async def run(sync: TenantSync, **options: Any) -> SyncResult:
    return await sync.run(TENANTS[0], PersonaIndex(TENANTS), CONFIG, **options)


def make_unavailable(cause: Exception | None = None) -> BackendUnavailable:
    error = BackendUnavailable("n8n", "upload", "it is down")
    error.__cause__ = cause
    return error


def count(action: str, outcome: str) -> float:
    return float(ACTIONS.labels(action, outcome)._value.get())


def count_observations(histogram: Any) -> float:
    return sum(float(bucket.get()) for bucket in histogram._buckets)


@pytest.fixture
def adapters() -> FakeAdapters:
    return FakeAdapters()


def test_a_new_file_is_stored_and_indexed(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    result = adapters.run()
    assert adapters.calls == [("download", "owui-f1"), ("put", "owui-f1"), ("ingest", "owui-f1")]
    assert result.plan.reports["f1"].state is FileState.READY
    assert result.remaining == 0
    assert result.is_complete
    assert result.progress


def test_a_ready_file_needs_no_action(adapters: FakeAdapters) -> None:
    adapters.files, adapters.documents = [make_file("f1")], [make_document("f1")]
    result = adapters.run()
    assert adapters.calls == []
    assert result.is_complete
    assert not result.progress


def test_only_files_and_documents_of_the_tenant_are_read(adapters: FakeAdapters) -> None:
    adapters.run()
    assert adapters.listed_tenants == ["tenanta"]
    assert adapters.selected == [
        (["kb-tenanta-finance", "kb-tenanta-hr"], ["tenant-tenanta.finance", "tenant-tenanta.hr"])
    ]


@pytest.mark.parametrize(("subject", "stored"), [("anna", 1), ("bob", 0), ("no-tenant", 0), ("unknown", 0)])
def test_a_file_is_stored_only_if_its_owner_belongs_to_the_tenant(
    adapters: FakeAdapters, subject: str, stored: int
) -> None:
    adapters.files = [make_file("f1", subject=subject, owner=f"owui-{subject}")]
    result = adapters.run()
    assert len(adapters.list_calls("put")) == stored
    assert result.unassigned_owners == ({"owui-no-tenant"} if subject == "no-tenant" else set())
    assert result.is_complete is (subject in ("anna", "bob"))


def test_a_sync_with_a_refused_file_is_complete_and_shows_the_reason(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    adapters.errors["download", "owui-f1"] = FileRefused("The file is empty.")
    result = adapters.run()
    assert result.plan.reports["f1"].state is FileState.REFUSED
    assert result.plan.reports["f1"].reason == "The file is empty."
    assert result.is_complete


def test_a_sync_with_a_document_that_cannot_be_indexed_is_complete(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    adapters.errors["ingest", "owui-f1"] = IngestRefused()
    result = adapters.run()
    assert result.plan.reports["f1"].state is FileState.FAILED
    assert result.is_complete


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ContentNotAvailable(), "retry_later"),
        (make_unavailable(), "retry_later"),
        (ValueError("a bug"), "error"),
    ],
)
def test_a_failed_file_remains_and_stops_no_other(
    adapters: FakeAdapters, error: Exception, outcome: str
) -> None:
    adapters.files = [make_file("f1", filename="1.pdf"), make_file("f2", filename="2.pdf")]
    adapters.errors["download", "owui-f1"] = error
    before = count("store", outcome)
    result = adapters.run()
    assert adapters.list_calls("ingest") == ["owui-f2"]
    assert result.remaining == 1
    assert not result.is_complete
    assert result.progress
    assert count("store", outcome) == before + 1


def test_held_deletions_are_counted_and_are_no_progress(adapters: FakeAdapters) -> None:
    adapters.documents = [make_document(f"f{number}", filename=f"{number}.pdf") for number in range(3)]
    for document in adapters.documents:
        adapters.errors["delete", document.id] = DeletionsHeld()
    with capture_logs() as logs:
        result = adapters.run()
    assert adapters.batches == [3, 3, 3]
    assert result.plan.blocked_deletions == 3
    assert result.is_complete
    assert not result.progress
    (error,) = [each for each in logs if each["log_level"] == "error"]
    assert error["documents"] == 3


@pytest.mark.parametrize(("has_same_version", "calls"), [(True, []), (False, ["owui-f1"])])
def test_a_check_downloads_only_changed_content(
    adapters: FakeAdapters, calls: list[str], *, has_same_version: bool
) -> None:
    adapters.files, adapters.documents = [make_file("f1", digest="b" * 64)], [make_document("f1")]
    adapters.has_same_version = has_same_version
    result = adapters.run()
    assert adapters.list_calls("check") == ["owui-f1"]
    assert adapters.list_calls("put") == adapters.list_calls("ingest") == calls
    assert result.is_complete


def test_a_check_of_the_same_content_still_indexes_a_document_that_is_not_indexed(
    adapters: FakeAdapters,
) -> None:
    adapters.files = [make_file("f1", size=11)]
    adapters.documents = [make_document("f1", state="received", sha256=None)]
    adapters.has_same_version = True
    adapters.run()
    assert adapters.list_calls("put") == []
    assert adapters.list_calls("ingest") == ["owui-f1"]


@pytest.mark.parametrize("is_indexed", [True, False])
def test_the_former_object_is_deleted_only_after_the_new_object_is_indexed(
    adapters: FakeAdapters, *, is_indexed: bool
) -> None:
    adapters.files, adapters.documents = [make_file("f1", make_knowledge_link("hr"))], [make_document("f1")]
    if not is_indexed:
        adapters.errors["ingest", "owui-f1"] = make_unavailable()
    adapters.run()
    assert adapters.list_calls("put") == ["owui-f1"]
    assert adapters.list_calls("delete-object") == (["finance/owui-f1/plan.pdf"] if is_indexed else [])
    assert adapters.calls[-1][0] == ("delete-object" if is_indexed else "ingest")


def test_while_n8n_is_down_files_are_stored_and_n8n_is_called_once(adapters: FakeAdapters) -> None:
    adapters.files = [make_file(f"f{number}", filename=f"{number}.pdf") for number in range(5)]
    for file in adapters.files:
        adapters.errors["ingest", file.document_id] = make_unavailable(httpx.ConnectError("refused"))

    async def run_scenario(sync: TenantSync) -> SyncResult:
        result = await run(sync)
        assert sync.backoff.get_retry_after("tenantb") > 0
        return result

    result = simulate_with(adapters, run_scenario)
    assert len(adapters.list_calls("put")) == 5
    assert len(adapters.list_calls("ingest")) == 1
    assert result.remaining == 5


def test_during_a_pause_documents_wait_without_an_attempt(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    adapters.documents = [make_document("f1", state="received", sha256=None)]
    before = count("index", "retry_later")

    async def run_scenario(sync: TenantSync) -> SyncResult:
        sync.backoff.record_failure("tenantb", make_unavailable(httpx.ConnectError("refused")))
        return await run(sync)

    assert simulate_with(adapters, run_scenario).remaining == 1
    assert adapters.calls == []
    assert count("index", "retry_later") == before


def test_a_success_ends_the_growth_of_the_backoff(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]

    async def run_scenario(sync: TenantSync) -> SyncResult:
        for _ in range(3):
            sync.backoff.record_failure("tenanta", make_unavailable(httpx.ConnectError("refused")))
            await asyncio.sleep(sync.backoff.get_retry_after("tenanta"))
        result = await run(sync)
        sync.backoff.record_failure("tenanta", make_unavailable(httpx.ConnectError("refused")))
        assert sync.backoff.get_retry_after("tenanta") == 2
        return result

    assert simulate_with(adapters, run_scenario).is_complete


def test_without_time_to_continue_files_are_stored_and_not_indexed(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    result = adapters.run(may_continue=lambda: False)
    assert adapters.list_calls("put") == ["owui-f1"]
    assert adapters.list_calls("ingest") == []
    assert result.remaining == 1
    assert not result.is_complete


def test_a_document_with_a_call_in_flight_is_not_sent_again(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    adapters.documents = [make_document("f1", state="received", sha256=None)]
    adapters.ingest_seconds = 2 * WAIT_TIMEOUT_SECONDS
    adapters.run(runs=2)
    assert adapters.list_calls("ingest") == ["owui-f1"]


def test_a_lost_call_is_replaced_after_a_minute(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    adapters.documents = [make_document("f1", state="received", sha256=None)]
    adapters.ingest_seconds = 10_000

    async def run_scenario(sync: TenantSync) -> SyncResult:
        await run(sync)
        await asyncio.sleep(60)
        return await run(sync)

    simulate_with(adapters, run_scenario)
    assert adapters.list_calls("ingest") == ["owui-f1"] * 2


def test_the_call_for_a_document_that_became_ready_is_cancelled(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    adapters.documents = [make_document("f1", state="received", sha256=None)]
    adapters.ingest_seconds = 10_000

    async def run_scenario(sync: TenantSync) -> SyncResult:
        await run(sync)
        assert sync._calls.list_document_ids("tenanta") == {"owui-f1"}
        adapters.documents = [make_document("f1")]
        result = await run(sync)
        assert sync._calls.list_document_ids("tenanta") == frozenset()
        return result

    assert simulate_with(adapters, run_scenario).is_complete


def test_the_call_for_a_document_that_is_being_indexed_continues(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1")]
    adapters.documents = [make_document("f1", state="received", sha256=None)]
    adapters.ingest_seconds = 10_000

    async def run_scenario(sync: TenantSync) -> SyncResult:
        await run(sync)
        adapters.documents = [make_document("f1", state="indexing", sha256=None)]
        await asyncio.sleep(60)
        result = await run(sync)
        assert sync._calls.list_document_ids("tenanta") == {"owui-f1"}
        return result

    assert simulate_with(adapters, run_scenario).plan.reports["f1"].state is FileState.INDEXING


def test_calls_in_flight_reduce_the_tenants_share_of_n8n(adapters: FakeAdapters) -> None:
    adapters.ingest_seconds = 10_000
    numbers = range(4)
    adapters.files = [make_file(f"f{number}", filename=f"{number}.pdf") for number in numbers]
    adapters.documents = [
        make_document(f"f{number}", filename=f"{number}.pdf", state="received", sha256=None)
        for number in numbers
    ]

    async def run_scenario(sync: TenantSync) -> SyncResult:
        await run(sync)
        assert len(adapters.list_calls("ingest")) == 2, "the tenant uses half of the four slots"
        started_at = asyncio.get_running_loop().time()
        result = await run(sync)
        assert asyncio.get_running_loop().time() == started_at, "the run waits for no slot"
        return result

    simulate_with(adapters, run_scenario)
    assert len(adapters.list_calls("ingest")) == 2


def test_a_kept_document_is_logged_once(adapters: FakeAdapters) -> None:
    removed = replace(make_file("f1"), links=(), knowledge="kb-tenanta-finance", remover="ben")
    adapters.files, adapters.documents = [removed], [make_document("f1")]
    with capture_logs() as logs:
        result = adapters.run(runs=2)
    assert result.plan.reports["f1"].state is FileState.KEPT
    assert [each["remover"] for each in logs if each["log_level"] == "warning"] == ["ben"]


def test_the_owner_of_an_upload_with_the_name_of_a_file_is_resolved(adapters: FakeAdapters) -> None:
    adapters.files = [make_file("f1", created_at=9)]
    adapters.documents = [ListedDocument("by-name", "finance", "plan.pdf", 10, "ready", stored_at=5)]
    result = adapters.run()
    assert adapters.list_calls("ingest") == ["owui-f1"]
    assert result.plan.unowned == set()


def test_lags_are_observed_for_new_files_and_not_for_moved_files(adapters: FakeAdapters) -> None:
    new = make_file("f1", created_at=int(time.time()))
    moved = make_file("f2", make_knowledge_link("hr"), filename="2.pdf")
    adapters.files = [new, moved]
    adapters.documents = [make_document("f2", filename="2.pdf")]
    before = count_observations(STORE_LAG), count_observations(READY_LAG)
    adapters.run()
    assert (count_observations(STORE_LAG), count_observations(READY_LAG)) == (before[0] + 1, before[1] + 1)


def test_a_sync_waits_for_a_slot(adapters: FakeAdapters) -> None:
    async def run_scenario(sync: TenantSync) -> SyncResult:
        slots = asyncio.Semaphore(1)
        await slots.acquire()
        running = asyncio.create_task(run(sync, slots=slots))
        await asyncio.sleep(1)
        assert adapters.listed_tenants == []
        slots.release()
        return await running

    simulate_with(adapters, run_scenario)
    assert adapters.listed_tenants == ["tenanta"]


def test_the_actions_of_one_run_are_bounded(adapters: FakeAdapters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("file_sync.sync.tenant_sync.MAX_ACTIONS", 2)
    adapters.files = [make_file(f"f{number}", filename=f"{number}.pdf") for number in range(3)]
    result = adapters.run()
    assert len(adapters.list_calls("put")) == 2
    assert result.remaining == 1
    assert not result.is_complete


def test_a_plan_that_needs_a_recheck_is_not_complete() -> None:
    assert SyncResult(Plan()).is_complete
    assert not SyncResult(Plan(needs_recheck=True)).is_complete
    assert not SyncResult(Plan(), unassigned_owners={"u1"}).is_complete
    assert not SyncResult(Plan(), remaining=1).is_complete
