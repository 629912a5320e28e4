"""Rights on a persona's knowledge base in the real Open WebUI: two members, administrators, a stranger."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.open_webui import Person

from .conftest import Office

pytestmark = pytest.mark.programs


@dataclass
class Shelf:
    """A persona's knowledge base with a file of each of two members."""

    office: Office
    id: str
    ann: Person
    bob: Person
    of_ann: str
    of_bob: str

    async def call(
        self, person: Person, method: str, path: str, body: Any = None, **arguments: Any
    ) -> httpx.Response:
        """Call a path of the knowledge base."""
        return await person.http.request(
            method, f"/api/v1/knowledge/{self.id}/{path}", json=body, **arguments
        )

    async def files(self) -> set[str]:
        """Return the ids of the files that the knowledge base has."""
        listed = await self.office.webui.admin.get(f"/api/v1/knowledge/{self.id}/files")
        return {each["id"] for each in listed["items"]}

    async def upload(self, person: Person, filename: str) -> str:
        """Let a person upload a file, and return its id when Open WebUI has read it."""
        response = await person.http.post(
            "/api/v1/files/",
            params={"process_in_background": "false"},
            files={"file": (filename, f"of {person.id}".encode())},
        )
        assert response.is_success, response.text
        file_id: str = response.json()["id"]
        return file_id

    async def put(self, person: Person, filename: str) -> str:
        """Let a person put a file into the knowledge base, as a program does."""
        file_id = await self.upload(person, filename)
        added = await self.call(person, "POST", "file/add", {"file_id": file_id})
        assert added.is_success, added.text
        return file_id

    async def administrator(self, tenant: str) -> Person:
        """Return a member whom the gateway calls an administrator of a tenant."""
        person = await self.office.join("dora")
        email = (await person.get("/api/v1/auths/"))["email"]
        said = {"tenant": tenant, "displayName": tenant, "admin": True, "personas": []}
        self.office.services.tenants[email] = (200, said)
        return person


@pytest.fixture
async def shelf(office: Office) -> AsyncIterator[Shelf]:
    webui, grant = office.webui, {"principal_type": "group", "principal_id": office.group}
    form = {
        "name": "Finance",
        "description": "",
        "access_grants": [grant | {"permission": right} for right in ("read", "write")],
    }
    made = await webui.admin.post("/api/v1/knowledge/create", form)
    ann, bob = await office.join("ann"), await office.join("bob")
    shelf = Shelf(office, made["id"], ann, bob, "", "")
    shelf.of_ann, shelf.of_bob = await shelf.put(ann, "ann.md"), await shelf.put(bob, "bob.md")
    yield shelf
    await webui.admin.http.delete(f"/api/v1/knowledge/{made['id']}/delete")


async def test_c11_a_member_cannot_reset_a_knowledge_base(shelf: Shelf) -> None:
    for person in (shelf.ann, await shelf.administrator(shelf.office.tenant), shelf.office.webui.admin):
        answer = await shelf.call(person, "POST", "reset")
        assert answer.status_code == 403
        assert "empty a knowledge base" in answer.json()["detail"]
    assert await shelf.files() == {shelf.of_ann, shelf.of_bob}


async def test_c11_a_member_cannot_take_out_a_colleagues_file(shelf: Shelf) -> None:
    directory = (await shelf.call(shelf.bob, "POST", "dirs/create", {"name": "bobs"})).json()["id"]
    moved = await shelf.call(
        shelf.bob, "POST", "file/move", {"file_id": shelf.of_bob, "directory_id": directory}
    )
    assert moved.is_success
    of_bob = {"file_id": shelf.of_bob}
    tries: list[tuple[str, str, Any]] = [
        ("POST", "file/remove", of_bob),
        ("POST", "file/remove?delete_file=false", of_bob),
        ("POST", "sync/cleanup", {"file_ids": [shelf.of_bob], "dir_ids": []}),
        ("POST", "sync/cleanup", {"file_ids": [], "dir_ids": [directory]}),
        ("DELETE", f"dirs/{directory}/delete?move_files=false", None),
        ("POST", f"dirs/{directory}/update", {"name": "mine"}),
        ("POST", "file/move", of_bob),
        ("POST", "update", {"name": "mine", "description": ""}),
        ("POST", "access/update", {"access_grants": []}),
        ("DELETE", "delete", None),
    ]
    for method, path, body in tries:
        answer = await shelf.call(shelf.ann, method, path, body)
        assert answer.status_code == 403, path
    for path, form in (("rename", {"filename": "x.md"}), ("data/content/update", {"content": "x"})):
        assert (
            await shelf.ann.http.post(f"/api/v1/files/{shelf.of_bob}/{path}", json=form)
        ).status_code == 403
    assert (await shelf.ann.http.delete(f"/api/v1/files/{shelf.of_bob}")).status_code == 403
    assert await shelf.files() == {shelf.of_ann, shelf.of_bob}
    assert (await shelf.bob.get(f"/api/v1/files/{shelf.of_bob}"))["filename"] == "bob.md"


async def test_c11_a_member_adds_renames_and_removes_what_is_theirs(shelf: Shelf) -> None:
    renamed = await shelf.ann.http.post(f"/api/v1/files/{shelf.of_ann}/rename", json={"filename": "newer.md"})
    assert renamed.is_success
    assert (await shelf.call(shelf.ann, "POST", "file/remove", {"file_id": shelf.of_ann})).is_success
    assert await shelf.files() == {shelf.of_bob}


async def test_c11_no_move_or_rename_gives_a_file_the_name_of_a_colleagues(shelf: Shelf) -> None:
    above = (await shelf.call(shelf.bob, "POST", "dirs/create", {"name": "above"})).json()["id"]
    form = {"name": "below", "parent_id": above}
    below = (await shelf.call(shelf.bob, "POST", "dirs/create", form)).json()["id"]
    file_id = await shelf.upload(shelf.bob, "ann.md")
    added = await shelf.call(shelf.bob, "POST", "file/add", {"file_id": file_id, "directory_id": below})
    assert added.is_success, added.text
    for method, path, body in (
        ("POST", "file/move", {"file_id": file_id, "directory_id": None}),
        ("DELETE", f"dirs/{above}/delete", None),
        ("DELETE", f"dirs/{above}/delete?move_files=true", None),
    ):
        answer = await shelf.call(shelf.bob, method, path, body)
        assert answer.status_code == 409, answer.text
        assert "ann.md" in answer.json()["detail"]
    renamed = await shelf.bob.http.post(f"/api/v1/files/{shelf.of_bob}/rename", json={"filename": "ann.md"})
    assert renamed.status_code == 409
    assert (await shelf.call(shelf.bob, "DELETE", f"dirs/{below}/delete")).is_success
    moved = await shelf.call(shelf.bob, "POST", "file/move", {"file_id": file_id, "directory_id": above})
    assert moved.is_success


async def test_c11_an_administrator_of_the_tenant_removes_any_file(shelf: Shelf) -> None:
    dora = await shelf.administrator(shelf.office.tenant)
    assert (await shelf.call(dora, "POST", "file/remove", {"file_id": shelf.of_bob})).is_success
    assert await shelf.files() == {shelf.of_ann}
    kept = await shelf.bob.get(f"/api/v1/files/{shelf.of_bob}")
    assert kept["meta"]["tenantry_removed_by"] == dora.id
    back = await shelf.call(shelf.bob, "POST", "file/add", {"file_id": shelf.of_bob})
    assert back.is_success
    assert (await shelf.bob.get(f"/api/v1/files/{shelf.of_bob}"))["meta"]["tenantry_removed_by"] == ""


async def test_c11_an_administrator_of_another_tenant_is_a_member_here(shelf: Shelf) -> None:
    eve = await shelf.administrator("tenant-of-eve")
    answer = await shelf.call(eve, "POST", "file/remove", {"file_id": shelf.of_bob})
    assert answer.status_code == 403
    assert await shelf.files() == {shelf.of_ann, shelf.of_bob}


async def test_c11_a_colleagues_file_name_is_refused_with_a_sentence(shelf: Shelf) -> None:
    answer = await shelf.ann.http.post(
        "/api/v1/files/",
        files={"file": ("bob.md", b"mine now")},
        data={"metadata": f'{{"knowledge_id": "{shelf.id}"}}'},
    )
    assert answer.status_code == 409
    assert "bob.md" in answer.json()["detail"]
    file_id = await shelf.upload(shelf.ann, "bob.md")
    for path, body in (("file/add", {"file_id": file_id}), ("files/batch/add", [{"file_id": file_id}])):
        assert (await shelf.call(shelf.ann, "POST", path, body)).status_code == 409
    assert await shelf.files() == {shelf.of_ann, shelf.of_bob}


async def test_a_colleagues_file_is_added_nowhere_else(shelf: Shelf) -> None:
    for path, body in (
        ("file/add", {"file_id": shelf.of_bob}),
        ("files/batch/add", [{"file_id": shelf.of_bob}]),
    ):
        assert (await shelf.call(shelf.ann, "POST", path, body)).status_code == 403


async def test_nobody_imports_a_chat_with_times_of_their_own(shelf: Shelf) -> None:
    chat: dict[str, Any] = {"title": "Old", "history": {"messages": {}}, "updated_at": 1}
    imported = {"chats": [{"chat": chat, "created_at": 1, "updated_at": 1}]}
    answer = await shelf.ann.http.post("/api/v1/chats/import", json=imported)
    assert answer.status_code == 403
    assert "imported" in answer.json()["detail"]
    made = await shelf.ann.http.post("/api/v1/chats/new", json={"chat": chat})
    assert made.is_success, made.text
    assert made.json()["updated_at"] > 1_700_000_000


async def test_nobody_looks_up_people(shelf: Shelf) -> None:
    ann, bob = shelf.ann, shelf.bob
    for path in (
        "users/search",
        f"users/{bob.id}/info",
        f"users/{bob.id}/active",
        f"users/{bob.id}/profile/image",
        f"groups/id/{shelf.office.group}/info",
        f"users/%73earch?query={uuid.uuid4()}",
    ):
        answer = await ann.http.get(f"/api/v1/{path}")
        assert answer.status_code == 403, path
        assert answer.json() == {"detail": "You cannot search for other people here."}
    for path in ("info", "active"):
        assert (await ann.http.get(f"/api/v1/users/{ann.id}/{path}")).is_success
