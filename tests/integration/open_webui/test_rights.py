"""Tests of permissions on a persona's knowledge base in the real Open WebUI."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.open_webui.clients import Person

from .conftest import OpenWebUIHarness

pytestmark = pytest.mark.programs


@dataclass
class SharedKnowledgeBase:
    """A persona's knowledge base with files of two members."""

    harness: OpenWebUIHarness
    id: str
    ann: Person
    bob: Person
    of_ann: str
    of_bob: str

    async def call(
        self, person: Person, method: str, path: str, body: Any = None, **arguments: Any
    ) -> httpx.Response:
        """Send a request to a path of the knowledge base."""
        return await person.http.request(
            method, f"/api/v1/knowledge/{self.id}/{path}", json=body, **arguments
        )

    async def list_files(self) -> set[str]:
        """Return the ids of the files in the knowledge base."""
        listed = await self.harness.webui.admin.get(f"/api/v1/knowledge/{self.id}/files")
        return {each["id"] for each in listed["items"]}

    async def upload(self, person: Person, filename: str) -> str:
        """Upload a file as a user; return the file's id after Open WebUI has processed the file."""
        response = await person.http.post(
            "/api/v1/files/",
            params={"process_in_background": "false"},
            files={"file": (filename, f"of {person.id}".encode())},
        )
        assert response.is_success, response.text
        file_id: str = response.json()["id"]
        return file_id

    async def add_file(self, person: Person, filename: str) -> str:
        """Upload a file and add it to the knowledge base through the API."""
        file_id = await self.upload(person, filename)
        added = await self.call(person, "POST", "file/add", {"file_id": file_id})
        assert added.is_success, added.text
        return file_id

    async def add_administrator(self, tenant: str) -> Person:
        """Create a member that the gateway reports as administrator of a tenant."""
        person = await self.harness.add_member("dora")
        email = (await person.get("/api/v1/auths/"))["email"]
        body = {"tenant": tenant, "displayName": tenant, "admin": True, "personas": []}
        self.harness.services.tenants[email] = (200, body)
        return person


@pytest.fixture
async def knowledge_base(harness: OpenWebUIHarness) -> AsyncIterator[SharedKnowledgeBase]:
    webui, grant = harness.webui, {"principal_type": "group", "principal_id": harness.group}
    form = {
        "name": "Finance",
        "description": "",
        "access_grants": [grant | {"permission": right} for right in ("read", "write")],
    }
    made = await webui.admin.post("/api/v1/knowledge/create", form)
    ann, bob = await harness.add_member("ann"), await harness.add_member("bob")
    base = SharedKnowledgeBase(harness, made["id"], ann, bob, "", "")
    base.of_ann, base.of_bob = await base.add_file(ann, "ann.md"), await base.add_file(bob, "bob.md")
    yield base
    await webui.admin.http.delete(f"/api/v1/knowledge/{made['id']}/delete")


async def test_a_member_cannot_reset_a_knowledge_base(knowledge_base: SharedKnowledgeBase) -> None:
    for person in (
        knowledge_base.ann,
        await knowledge_base.add_administrator(knowledge_base.harness.tenant),
        knowledge_base.harness.webui.admin,
    ):
        answer = await knowledge_base.call(person, "POST", "reset")
        assert answer.status_code == 403
        assert "cannot be reset" in answer.json()["detail"]
    assert await knowledge_base.list_files() == {knowledge_base.of_ann, knowledge_base.of_bob}


async def test_a_member_cannot_remove_a_colleagues_file(knowledge_base: SharedKnowledgeBase) -> None:
    directory = (
        await knowledge_base.call(knowledge_base.bob, "POST", "dirs/create", {"name": "bobs"})
    ).json()["id"]
    moved = await knowledge_base.call(
        knowledge_base.bob, "POST", "file/move", {"file_id": knowledge_base.of_bob, "directory_id": directory}
    )
    assert moved.is_success
    of_bob = {"file_id": knowledge_base.of_bob}
    tries: list[tuple[str, str, Any]] = [
        ("POST", "file/remove", of_bob),
        ("POST", "file/remove?delete_file=false", of_bob),
        ("POST", "sync/cleanup", {"file_ids": [knowledge_base.of_bob], "dir_ids": []}),
        ("POST", "sync/cleanup", {"file_ids": [], "dir_ids": [directory]}),
        ("DELETE", f"dirs/{directory}/delete?move_files=false", None),
        ("POST", f"dirs/{directory}/update", {"name": "mine"}),
        ("POST", "file/move", of_bob),
        ("POST", "update", {"name": "mine", "description": ""}),
        ("POST", "access/update", {"access_grants": []}),
        ("DELETE", "delete", None),
    ]
    for method, path, body in tries:
        answer = await knowledge_base.call(knowledge_base.ann, method, path, body)
        assert answer.status_code == 403, path
    for path, form in (("rename", {"filename": "x.md"}), ("data/content/update", {"content": "x"})):
        assert (
            await knowledge_base.ann.http.post(f"/api/v1/files/{knowledge_base.of_bob}/{path}", json=form)
        ).status_code == 403
    assert (await knowledge_base.ann.http.delete(f"/api/v1/files/{knowledge_base.of_bob}")).status_code == 403
    assert await knowledge_base.list_files() == {knowledge_base.of_ann, knowledge_base.of_bob}
    assert (await knowledge_base.bob.get(f"/api/v1/files/{knowledge_base.of_bob}"))["filename"] == "bob.md"


async def test_a_member_renames_and_removes_own_files(knowledge_base: SharedKnowledgeBase) -> None:
    renamed = await knowledge_base.ann.http.post(
        f"/api/v1/files/{knowledge_base.of_ann}/rename", json={"filename": "newer.md"}
    )
    assert renamed.is_success
    assert (
        await knowledge_base.call(
            knowledge_base.ann, "POST", "file/remove", {"file_id": knowledge_base.of_ann}
        )
    ).is_success
    assert await knowledge_base.list_files() == {knowledge_base.of_bob}


async def test_a_move_or_rename_to_a_colleagues_file_name_is_refused(
    knowledge_base: SharedKnowledgeBase,
) -> None:
    above = (await knowledge_base.call(knowledge_base.bob, "POST", "dirs/create", {"name": "above"})).json()[
        "id"
    ]
    form = {"name": "below", "parent_id": above}
    below = (await knowledge_base.call(knowledge_base.bob, "POST", "dirs/create", form)).json()["id"]
    file_id = await knowledge_base.upload(knowledge_base.bob, "ann.md")
    added = await knowledge_base.call(
        knowledge_base.bob, "POST", "file/add", {"file_id": file_id, "directory_id": below}
    )
    assert added.is_success, added.text
    for method, path, body in (
        ("POST", "file/move", {"file_id": file_id, "directory_id": None}),
        ("DELETE", f"dirs/{above}/delete", None),
        ("DELETE", f"dirs/{above}/delete?move_files=true", None),
    ):
        answer = await knowledge_base.call(knowledge_base.bob, method, path, body)
        assert answer.status_code == 409, answer.text
        assert "ann.md" in answer.json()["detail"]
    renamed = await knowledge_base.bob.http.post(
        f"/api/v1/files/{knowledge_base.of_bob}/rename", json={"filename": "ann.md"}
    )
    assert renamed.status_code == 409
    assert (await knowledge_base.call(knowledge_base.bob, "DELETE", f"dirs/{below}/delete")).is_success
    moved = await knowledge_base.call(
        knowledge_base.bob, "POST", "file/move", {"file_id": file_id, "directory_id": above}
    )
    assert moved.is_success


async def test_an_administrator_of_the_tenant_removes_any_file(knowledge_base: SharedKnowledgeBase) -> None:
    dora = await knowledge_base.add_administrator(knowledge_base.harness.tenant)
    assert (
        await knowledge_base.call(dora, "POST", "file/remove", {"file_id": knowledge_base.of_bob})
    ).is_success
    assert await knowledge_base.list_files() == {knowledge_base.of_ann}
    kept = await knowledge_base.bob.get(f"/api/v1/files/{knowledge_base.of_bob}")
    assert kept["meta"]["tenantry_removed_by"] == dora.id
    back = await knowledge_base.call(
        knowledge_base.bob, "POST", "file/add", {"file_id": knowledge_base.of_bob}
    )
    assert back.is_success
    assert (await knowledge_base.bob.get(f"/api/v1/files/{knowledge_base.of_bob}"))["meta"][
        "tenantry_removed_by"
    ] == ""


async def test_an_administrator_of_another_tenant_cannot_remove_files(
    knowledge_base: SharedKnowledgeBase,
) -> None:
    eve = await knowledge_base.add_administrator("tenant-of-eve")
    answer = await knowledge_base.call(eve, "POST", "file/remove", {"file_id": knowledge_base.of_bob})
    assert answer.status_code == 403
    assert await knowledge_base.list_files() == {knowledge_base.of_ann, knowledge_base.of_bob}


async def test_a_colleagues_file_name_is_refused(knowledge_base: SharedKnowledgeBase) -> None:
    answer = await knowledge_base.ann.http.post(
        "/api/v1/files/",
        files={"file": ("bob.md", b"mine now")},
        data={"metadata": f'{{"knowledge_id": "{knowledge_base.id}"}}'},
    )
    assert answer.status_code == 409
    assert "bob.md" in answer.json()["detail"]
    file_id = await knowledge_base.upload(knowledge_base.ann, "bob.md")
    for path, body in (("file/add", {"file_id": file_id}), ("files/batch/add", [{"file_id": file_id}])):
        assert (await knowledge_base.call(knowledge_base.ann, "POST", path, body)).status_code == 409
    assert await knowledge_base.list_files() == {knowledge_base.of_ann, knowledge_base.of_bob}


async def test_a_colleagues_file_cannot_be_added(knowledge_base: SharedKnowledgeBase) -> None:
    for path, body in (
        ("file/add", {"file_id": knowledge_base.of_bob}),
        ("files/batch/add", [{"file_id": knowledge_base.of_bob}]),
    ):
        assert (await knowledge_base.call(knowledge_base.ann, "POST", path, body)).status_code == 403


async def test_chats_with_forged_times_cannot_be_imported(knowledge_base: SharedKnowledgeBase) -> None:
    chat: dict[str, Any] = {"title": "Old", "history": {"messages": {}}, "updated_at": 1}
    imported = {"chats": [{"chat": chat, "created_at": 1, "updated_at": 1}]}
    answer = await knowledge_base.ann.http.post("/api/v1/chats/import", json=imported)
    assert answer.status_code == 403
    assert "imported" in answer.json()["detail"]
    made = await knowledge_base.ann.http.post("/api/v1/chats/new", json={"chat": chat})
    assert made.is_success, made.text
    assert made.json()["updated_at"] > 1_700_000_000


async def test_users_cannot_search_for_others(knowledge_base: SharedKnowledgeBase) -> None:
    ann, bob = knowledge_base.ann, knowledge_base.bob
    for path in (
        "users/search",
        f"users/{bob.id}/info",
        f"users/{bob.id}/active",
        f"users/{bob.id}/profile/image",
        f"groups/id/{knowledge_base.harness.group}/info",
        f"users/%73earch?query={uuid.uuid4()}",
    ):
        answer = await ann.http.get(f"/api/v1/{path}")
        assert answer.status_code == 403, path
        assert answer.json() == {"detail": "You cannot search for other people here."}
    for path in ("info", "active"):
        assert (await ann.http.get(f"/api/v1/users/{ann.id}/{path}")).is_success
