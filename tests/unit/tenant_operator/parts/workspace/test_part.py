"""Tests of the workspace part: searches, members, and empty results of Open WebUI."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant, TenantStatus
from tenant_operator.clients.open_webui import TenantContent
from tenant_operator.parts.workspace.part import (
    FOREVER,
    LAST_ANSWER_DELAY_SECONDS,
    OPEN_REQUESTS_DELAY_SECONDS,
    WorkspacePart,
)
from tenant_operator.parts.workspace.plan import build_grants, build_mark

from tests.support.tenants.manifests import make_tenant

if TYPE_CHECKING:
    from tenant_operator.clients.keycloak import Keycloak
    from tenant_operator.clients.open_webui import OpenWebUI

ACME = make_tenant("acme", identity={"emails": ["*@acme.example"]})
GROUP: dict[str, Any] = {
    "id": "g", "name": "/tenants/tenant-acme",
    "description": "Members of acme, managed by the Tenant resource.",
    "parent_group_id": None, "user_ids": [],
    "data": {"tenantry": {"tenant": "acme", "uid": ACME.metadata.uid}, "config": {"share": "members"}},
}  # fmt: skip


class FakeAccountSearch:
    """Keycloak client with one account that has an address of Acme."""

    async def search_accounts(self, patterns: Sequence[str]) -> list[dict[str, Any]]:
        assert list(patterns) == ["*@acme.example"]
        return [{"id": "ann-in-keycloak"}]


class FakeWorkspaceClient:
    """Open WebUI client that records its calls, with prepared results."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.found_users: list[dict[str, Any]] = []
        self.group_members: list[str] = []
        self.group_data: dict[str, Any] | None = GROUP["data"]
        self.found_bases: list[list[dict[str, Any]]] = []
        self.pending: list[str] = []
        self.content: list[dict[str, int]] = []
        self.counted_content: dict[str, Any] = {}
        self.writers = 0

    async def get_group(self, group_id: str) -> dict[str, Any]:
        return GROUP | {"user_ids": self.group_members, "data": self.group_data}

    async def list_group_ids(self, name: str) -> list[str]:
        return ["g"]

    async def list_child_groups(self, group_id: str) -> set[str]:
        return set()

    async def search_users(self, term: str) -> list[dict[str, Any]]:
        return self.found_users

    async def get_user(self, user_id: str) -> dict[str, Any] | None:
        self.calls.append(f"user {user_id}")
        return {"id": user_id, "oauth": {"oidc": {"sub": "ann-in-keycloak"}}} if user_id == "ann" else None

    async def search_models(self, tag: str) -> list[dict[str, Any]]:
        self.calls.append("search models")
        return [{"id": "tenant-acme-b.finance"}, {"id": "tenant-acme.former"}, {"id": "gpt"}]

    async def get_model(self, model_id: str) -> dict[str, Any] | None:
        return None

    async def search_knowledge_bases(self, text: str) -> list[dict[str, Any]]:
        self.calls.append("search knowledge")
        return self.found_bases.pop(0) if self.found_bases else []

    async def get_knowledge_base(self, knowledge_id: str) -> dict[str, Any] | None:
        self.calls.append(f"knowledge {knowledge_id}")
        return None if knowledge_id == "gone" else make_base(knowledge_id)

    async def list_pending_files(self, knowledge_id: str) -> list[str]:
        return self.pending

    async def count_content(self, content: TenantContent) -> dict[str, int]:
        self.counted_content = asdict(content)
        return self.content.pop(0) if self.content else {}

    async def close_accounts(self, content: TenantContent) -> int:
        self.calls.append("close")
        return self.writers

    async def delete_content(self, content: TenantContent) -> dict[str, int]:
        self.calls.append("delete_content")
        return self.content.pop(0)

    def __getattr__(self, name: str) -> Any:
        async def write(*arguments: Any) -> str:
            self.calls.append(name)
            return "new"

        return write


def make_base(knowledge_id: str = "1", persona: str = "finance", files: int = 0) -> dict[str, Any]:
    return {
        "id": knowledge_id, "name": "n", "description": "d", "user": {"role": "admin"},
        "access_grants": [*build_grants("g", "read"), build_mark(ACME, persona)], "file_count": files,
    }  # fmt: skip


def make_settled_tenant(tenant: Tenant = ACME, *, generation: int = 0, **ids: str) -> Tenant:
    """Return the Tenant after a successful run."""
    condition = {
        "type": "WorkspaceReady", "status": "True", "reason": "AsDeclared", "message": "",
        "lastTransitionTime": "2026-11-23T10:00:00Z", "observedGeneration": generation,
    }  # fmt: skip
    knowledge = [{"persona": persona, "id": each} for persona, each in ids.items()]
    status = {"conditions": [condition], "workspace": {"groupId": "g", "knowledge": knowledge}}
    return tenant.model_copy(update={"status": TenantStatus.model_validate(status)})


@pytest.fixture
def webui() -> FakeWorkspaceClient:
    return FakeWorkspaceClient()


@pytest.fixture
def part(webui: FakeWorkspaceClient) -> WorkspacePart:
    return WorkspacePart(cast("OpenWebUI", webui), cast("Keycloak", FakeAccountSearch()))


@pytest.mark.parametrize(
    ("tenant", "searches"),
    [
        (make_settled_tenant(finance="1"), False),
        (ACME, True),
        (make_settled_tenant(generation=7, finance="1"), True),
        (make_settled_tenant(finance="1", former="2"), True),
        (make_settled_tenant(finance="gone"), True),
    ],
    ids=["all-is-known", "never-reconciled", "of-another-spec", "with-a-former-persona", "one-is-gone"],
)
async def test_only_an_incomplete_status_requires_a_search(
    tenant: Tenant, searches: bool, part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    await part.observe(tenant)
    assert ("search knowledge" in webui.calls) is searches


async def test_a_model_of_another_tenant_is_ignored(part: WorkspacePart) -> None:
    assert list((await part.observe(ACME)).models) == ["tenant-acme.former"]


def make_user(user_id: str, subject: Any = None, provider: str = "oidc") -> dict[str, Any]:
    return {"id": user_id, "oauth": {provider: {"sub": subject}} if subject else None}


async def test_an_earlier_tenants_group_is_emptied_and_renamed_before_a_creation(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    webui.group_data = {"tenantry": {"tenant": "acme", "uid": "of-an-earlier-one"}}
    webui.group_members = ["ann"]
    observed = await part.observe(ACME)
    assert observed.group.id == ""
    assert observed.group.members == frozenset()
    await part.ensure(ACME, observed)
    writes = [call for call in webui.calls if call in ("remove_members", "update_group", "create_group")]
    assert writes == ["remove_members", "update_group", "create_group"]


async def test_an_earlier_tenants_group_is_kept_when_the_later_tenant_is_deleted(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    webui.group_data = None
    await part.remove(ACME)
    assert webui.counted_content["groups"] == []
    assert "delete_group" not in webui.calls


async def test_release_removes_only_the_members(part: WorkspacePart, webui: FakeWorkspaceClient) -> None:
    await part.release(ACME)
    assert webui.calls == []
    webui.group_members = ["ann", "bob"]
    await part.release(ACME)
    assert webui.calls == ["remove_members"]


async def test_people_are_identified_by_their_keycloak_id(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    webui.found_users = [
        make_user("1", "ann-in-keycloak"), make_user("2", "mallory"), make_user("3"),
        make_user("4", "ann-in-keycloak", "google"),
    ]  # fmt: skip
    assert (await part.observe(ACME)).people == {"1"}


async def test_a_member_missing_in_the_search_is_requested_alone(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    webui.group_members = ["ann", "ghost"]
    assert (await part.observe(ACME)).people == {"ann"}


async def test_a_failed_search_creates_no_second_knowledge_base(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    webui.found_bases = [[], [make_base()]]
    observed = await part.observe(ACME)
    with pytest.raises(BackendUnavailable, match="found in the second search"):
        await part.ensure(ACME, observed)
    assert "create_knowledge_base" not in webui.calls


@pytest.mark.parametrize(
    ("first", "second", "pending", "goes"),
    [
        (0, [make_base("2", "former", 0)], [], True),
        (3, [], [], False),
        (0, [make_base("2", "former", 1)], [], False),
        (0, [make_base("2", "former", 0)], ["f"], False),
        (0, [], [], False),
    ],
    ids=["empty", "with-files", "filled-meanwhile", "being-filled", "not-found-any-more"],
)
async def test_a_former_knowledge_base_is_deleted_only_when_it_is_empty(
    first: int,
    second: list[dict[str, Any]],
    pending: list[str],
    goes: bool,
    part: WorkspacePart,
    webui: FakeWorkspaceClient,
) -> None:
    webui.found_bases = [[make_base(), make_base("2", "former", first)], second]
    webui.pending = pending
    ensured = await part.ensure(ACME, await part.observe(ACME))
    assert ("delete_knowledge_base" in webui.calls) is goes
    assert ({"persona": "former", "id": "2"} in ensured.status["knowledge"]) is not goes
    assert ensured.condition
    assert ("former" in ensured.condition.message) is not goes


async def test_content_is_deleted_before_knowledge_bases_and_group(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    webui.found_bases = [[make_base(files=3)], []]
    webui.content = [{"files": 3, "chats": 2}, {"files": 1, "chats": 2}, {"files": 0, "chats": 0}]
    await part.remove(ACME)
    assert [call for call in webui.calls if call.startswith(("close", "delete"))] == [
        "delete_model", "close", "delete_content", "delete_content", "delete_knowledge_base", "delete_group",
    ]  # fmt: skip
    assert webui.counted_content == {
        "tenant": "tenant-acme", "groups": ["g"], "knowledge": ["1"], "since": 0, "until": FOREVER,
    }  # fmt: skip


@pytest.mark.parametrize(("writers", "waited"), [(0, []), (3, [OPEN_REQUESTS_DELAY_SECONDS])])
async def test_removal_waits_for_requests_admitted_before_the_accounts_were_closed(
    writers: int,
    waited: list[float],
    part: WorkspacePart,
    webui: FakeWorkspaceClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        assert "delete_content" not in webui.calls
        slept.append(seconds)

    monkeypatch.setattr("tenant_operator.parts.workspace.part.asyncio.sleep", sleep)
    webui.writers = writers
    webui.content = [{"files": 1}, {"files": 0}]
    await part.remove(ACME)
    assert slept == waited


async def test_content_after_the_last_answer_is_not_counted(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    deleted = {"deletion_timestamp": datetime(2026, 11, 29, tzinfo=UTC)}
    await part.remove(ACME.model_copy(update={"metadata": ACME.metadata.model_copy(update=deleted)}))
    assert webui.counted_content["until"] == 1795910400 + LAST_ANSWER_DELAY_SECONDS


async def test_remaining_content_stops_the_removal(part: WorkspacePart, webui: FakeWorkspaceClient) -> None:
    webui.found_bases = [[make_base(files=1)]]
    webui.content = [{"files": 1, "chats": 0}, {"files": 1, "chats": 0}]
    with pytest.raises(BackendUnavailable, match="still there: 1 files"):
        await part.remove(ACME)
    assert "delete_knowledge_base" not in webui.calls
    assert "delete_group" not in webui.calls


async def test_content_before_the_creation_is_not_counted(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    created = {"creation_timestamp": datetime(2026, 11, 29, tzinfo=UTC)}
    later = ACME.model_copy(update={"metadata": ACME.metadata.model_copy(update=created)})
    await part.remove(later)
    assert webui.counted_content["since"] == 1795910400


async def test_a_remaining_knowledge_base_keeps_the_group(
    part: WorkspacePart, webui: FakeWorkspaceClient
) -> None:
    webui.found_bases = [[make_base()], [make_base()]]
    with pytest.raises(BackendUnavailable, match=r"still (there|exists)"):
        await part.remove(ACME)
    assert "delete_group" not in webui.calls
