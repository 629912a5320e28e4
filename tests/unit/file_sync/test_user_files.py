"""Tests of the list of a user's files, with fake adapters."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from file_sync import user_files
from file_sync.models import File, ListedDocument
from file_sync.planner.messages import KEPT, NAME_OF_COLLEAGUE, NOT_SYNCED
from file_sync.planner.models import FileState
from file_sync.planner.persona_index import PersonaIndexCache
from file_sync.user_files import UserFile, UserFiles
from servicekit.errors import BackendUnavailable
from tenancy.identity import Principal
from tenancy.model import Tenant

from tests.support.file_sync.files import (
    make_chat_link,
    make_document,
    make_file,
    make_knowledge_link,
    make_tenant_with_workspace,
)
from tests.support.file_sync.plans import CONFIG
from tests.support.timing.clock import simulate

if TYPE_CHECKING:
    from file_sync.adapters.document_owners import DocumentOwnerResolver
    from file_sync.adapters.gateway import GatewayClient
    from file_sync.adapters.open_webui_database import OpenWebUIDatabase
    from tenancy.registry import TenantRegistry


class UserFilesHarness:
    """Fake registry, database, gateway and document owners, which record their calls."""

    def __init__(self, *tenants: Tenant) -> None:
        self.tenants = tenants or (
            make_tenant_with_workspace("tenanta"),
            make_tenant_with_workspace("tenantb"),
        )
        self.files: list[File] = []
        self.documents: dict[str, list[ListedDocument]] = {}
        self.requested: list[tuple[str, str]] = []
        self.listed: list[str] = []
        self.selections: list[tuple[str, Any, int]] = []
        self.is_down = False
        self.in_progress = self.most_in_progress = 0

    # TenantRegistry
    def list_tenants(self) -> Sequence[Tenant]:
        return self.tenants

    # OpenWebUIDatabase
    async def list_files_of_person(self, subject: str, *, ids: Any, limit: int) -> list[File]:
        self.selections.append((subject, ids, limit))
        return [file for file in self.files if file.subject == subject]

    async def list_files_by_id(self, ids: Sequence[str]) -> list[File]:
        return [file for file in self.files if file.id in ids]

    # GatewayClient
    async def get_document(self, token: str, document_id: str) -> ListedDocument | None:
        self.requested.append((token, document_id))
        self.in_progress += 1
        self.most_in_progress = max(self.most_in_progress, self.in_progress)
        await asyncio.sleep(0.1)
        self.in_progress -= 1
        stored = self.documents.get(token.removeprefix("token-"), [])
        return next((each for each in stored if each.id == document_id), None)

    async def list_documents(self, tenant: Tenant) -> list[ListedDocument]:
        self.listed.append(tenant.id)
        if self.is_down:
            raise BackendUnavailable("gateway", "list", "it is down")
        return self.documents.get(tenant.id, [])

    # DocumentOwnerResolver
    async def resolve(self, _tenant: Tenant, documents: Iterable[ListedDocument]) -> list[ListedDocument]:
        return [replace(each, owner="ben") for each in documents]

    def make_user_files(self) -> UserFiles:
        return UserFiles(
            cast("OpenWebUIDatabase", self),
            cast("GatewayClient", self),
            cast("DocumentOwnerResolver", self),
            PersonaIndexCache(cast("TenantRegistry", self)),
            CONFIG,
        )

    def get_person(self, tenant_id: str = "tenanta", subject: str = "anna") -> Principal:
        (tenant,) = [each for each in self.tenants if each.id == tenant_id]
        return Principal(tenant, subject, f"{subject}@{tenant_id}.example", admin=False)

    async def list(self, files: UserFiles, tenant_id: str = "tenanta") -> Sequence[UserFile]:
        return await files.list(self.get_person(tenant_id), f"token-{tenant_id}", None)

    def get_reports(self, tenant_id: str = "tenanta") -> dict[str, tuple[FileState, str | None]]:
        """Return the state and the reason of each listed file."""
        listed = simulate(self.list(self.make_user_files(), tenant_id))
        return {each.file.id: (each.report.state, each.report.reason) for each in listed}


@pytest.fixture
def harness() -> UserFilesHarness:
    return UserFilesHarness()


def test_files_are_listed_with_their_status_newest_first(harness: UserFilesHarness) -> None:
    harness.files = [
        make_file("old", created_at=1, filename="old.pdf"),
        make_file("new", created_at=2, filename="new.pdf"),
    ]
    harness.documents["tenanta"] = [make_document("old", filename="old.pdf")]
    assert list(harness.get_reports().items()) == [
        ("new", (FileState.WAITING, None)),
        ("old", (FileState.READY, None)),
    ]
    assert set(harness.requested) == {("token-tenanta", "owui-old"), ("token-tenanta", "owui-new")}


def test_only_the_persons_newest_files_are_selected(harness: UserFilesHarness) -> None:
    harness.files = [make_file("bens", subject="ben")]
    assert harness.get_reports() == {}
    assert harness.selections == [("anna", None, user_files.MAX_FILES)]


@pytest.mark.parametrize(
    "link", [make_knowledge_link(tenant_id="tenantb"), make_chat_link(tenant_id="tenantb")]
)
def test_a_file_of_another_tenant_is_left_out_and_its_document_is_not_requested(
    harness: UserFilesHarness, link: Any
) -> None:
    harness.files = [make_file("f1", link)]
    harness.documents["tenanta"] = [make_document("f1")]
    assert harness.get_reports() == {}
    assert harness.requested == []


def test_a_file_that_was_given_to_another_tenant_first_is_left_out(harness: UserFilesHarness) -> None:
    harness.files = [
        make_file("f1", make_knowledge_link(since=1), make_knowledge_link(tenant_id="tenantb", since=2))
    ]
    assert harness.get_reports("tenantb") == {}


def test_a_file_without_a_persona_is_not_synced(harness: UserFilesHarness) -> None:
    harness.files = [replace(make_file("f1"), links=())]
    assert harness.get_reports() == {"f1": (FileState.NOT_SYNCED, NOT_SYNCED)}
    assert harness.requested == []


def test_a_removed_file_with_a_document_is_kept(harness: UserFilesHarness) -> None:
    harness.files = [replace(make_file("f1"), links=(), knowledge="kb-tenanta-finance")]
    assert harness.get_reports()["f1"][0] is FileState.NOT_SYNCED
    harness.documents["tenanta"] = [make_document("f1")]
    assert harness.get_reports() == {"f1": (FileState.KEPT, KEPT)}


def test_a_waiting_file_beyond_the_quota_is_refused_with_the_tenants_usage() -> None:
    backends = UserFilesHarness(make_tenant_with_workspace("tenanta", quota={"documents": 1}))
    backends.files = [make_file("f1")]
    backends.documents["tenanta"] = [make_document("bens", filename="bens.pdf")]
    state, reason = backends.get_reports()["f1"]
    assert state is FileState.REFUSED
    assert reason
    assert reason.startswith("The tenant has reached its limit of documents: 1 are stored, 1 are allowed.")


@pytest.mark.parametrize(
    "document",
    [make_document("bens"), ListedDocument("by-name", "finance", "plan.pdf", 10, "ready")],
    ids=["from Open WebUI", "uploaded at the gateway"],
)
def test_a_waiting_file_with_a_colleagues_name_is_refused(
    harness: UserFilesHarness, document: ListedDocument
) -> None:
    harness.files = [make_file("f1"), make_file("bens", owner="owui-ben", subject="ben")]
    harness.documents["tenanta"] = [document]
    assert harness.get_reports() == {"f1": (FileState.REFUSED, NAME_OF_COLLEAGUE)}


def test_without_a_waiting_file_the_tenants_documents_are_not_listed(harness: UserFilesHarness) -> None:
    harness.files = [make_file("f1")]
    harness.documents["tenanta"] = [make_document("f1")]
    harness.get_reports()
    assert harness.listed == []


def test_a_file_waits_while_the_tenants_documents_cannot_be_listed(harness: UserFilesHarness) -> None:
    harness.files, harness.is_down = [make_file("f1")], True
    assert harness.get_reports() == {"f1": (FileState.WAITING, None)}


def test_the_cached_documents_of_one_tenant_are_not_used_for_another() -> None:
    backends = UserFilesHarness(
        make_tenant_with_workspace("tenanta", quota={"documents": 1}),
        make_tenant_with_workspace("tenantb", quota={"documents": 1}),
    )
    backends.documents["tenanta"] = [make_document("other", filename="other.pdf")]
    backends.files = [make_file("f1"), make_file("f2", make_knowledge_link(tenant_id="tenantb"))]

    async def run_scenario() -> list[FileState]:
        files, states = backends.make_user_files(), []
        for tenant_id in ("tenanta", "tenantb", "tenanta", "tenantb"):
            (listed,) = await backends.list(files, tenant_id)
            states.append(listed.report.state)
        return states

    assert simulate(run_scenario()) == [FileState.REFUSED, FileState.WAITING] * 2
    assert backends.listed == ["tenanta", "tenantb"]


def test_a_tenants_documents_are_listed_again_when_the_cached_list_expires(
    harness: UserFilesHarness,
) -> None:
    harness.files = [make_file("f1")]

    async def run_scenario() -> list[int]:
        files, counts = harness.make_user_files(), []
        for _ in range(3):
            await harness.list(files)
            counts.append(len(harness.listed))
            await asyncio.sleep(user_files.CACHE_TTL_SECONDS / 2)
        return counts

    assert simulate(run_scenario()) == [1, 1, 2]


def test_the_cache_holds_a_bounded_number_of_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_files, "MAX_CACHED_TENANTS", 2)
    names = ["tenanta", "tenantb", "tenantc"]
    backends = UserFilesHarness(*map(make_tenant_with_workspace, names))
    backends.files = [make_file(name, make_knowledge_link(tenant_id=name)) for name in names]

    async def run_scenario() -> None:
        files = backends.make_user_files()
        for name in [*names, "tenantc", "tenantb", "tenanta"]:
            await backends.list(files, name)

    simulate(run_scenario())
    assert backends.listed == [*names, "tenanta"]


def test_requests_to_the_gateway_are_concurrent_and_bounded(harness: UserFilesHarness) -> None:
    harness.files = [make_file(f"f{number}", filename=f"{number}.pdf") for number in range(20)]
    harness.get_reports()
    assert harness.most_in_progress == user_files.CONCURRENCY
