# ruff: noqa: ASYNC212 (nothing else runs in this loop meanwhile)
"""Tests of file-sync on the real Open WebUI: its tables, and the links that people's actions create."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from file_sync.adapters.open_webui_database import OpenWebUIDatabase
from file_sync.adapters.queries import READ_COLUMNS
from file_sync.models import LinkKind
from tenantry_local.parts.open_webui import FILE_SYNC_ROLE, get_open_webui_admin
from tenantry_local.parts.postgres import Postgres
from tenantry_local.platform import Platform

from tests.support.open_webui.database import OpenWebUIWriter

pytestmark = [pytest.mark.programs, pytest.mark.timeout(600)]

MODEL = "tenant-fs-alpha.finance"
PIPE = """
class Pipe:
    async def pipe(self, body):
        return "hello"
"""
TYPES = (
    "select table_name, column_name, data_type from information_schema.columns "
    "where table_schema = 'public' and table_name = any(%s)"
)


@pytest.fixture(scope="module")
def http(with_open_webui: Platform) -> Iterator[httpx.Client]:
    email, password = get_open_webui_admin(with_open_webui.context)
    with httpx.Client(base_url=with_open_webui.context.build_url("open-webui"), timeout=60) as client:
        token = client.post("/api/v1/auths/signin", json={"email": email, "password": password}).json()[
            "token"
        ]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
async def database(with_open_webui: Platform) -> AsyncIterator[OpenWebUIDatabase]:
    database = OpenWebUIDatabase(
        Postgres(with_open_webui.context).build_dsn("openwebui", FILE_SYNC_ROLE, "postgres-file-sync")
    )
    await database.open()
    yield database
    await database.close()


async def test_open_webuis_tables_and_the_grants_are_supported(database: OpenWebUIDatabase) -> None:
    await database.check()
    await database.read_fingerprints()


def test_the_fake_has_the_same_tables_as_open_webui(with_open_webui: Platform, owui: OpenWebUIWriter) -> None:
    def list_columns(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], str]:
        rows = connection.execute(TYPES.encode(), (list(READ_COLUMNS),)).fetchall()
        return {(table, column): kind for table, column, kind in rows}

    with psycopg.connect(
        Postgres(with_open_webui.context).build_dsn("openwebui", "postgres", "postgres")
    ) as connection:
        theirs = list_columns(connection)
    ours = list_columns(owui.owner)
    assert {name: theirs.get(name) for name in ours} == ours


async def test_actions_in_open_webui_are_read_as_links(
    http: httpx.Client, database: OpenWebUIDatabase
) -> None:
    knowledge_id = post(http, "/api/v1/knowledge/create", name="A: Finance", description="x")["id"]
    metadata = {"metadata": json.dumps({"knowledge_id": knowledge_id})}
    given = http.post("/api/v1/files/", files={"file": ("plan.txt", b"Tide.")}, data=metadata).json()["id"]
    attached = http.post("/api/v1/files/", files={"file": ("chat.txt", b"Tide.")}).json()["id"]

    async def is_observed() -> dict[str, tuple[str, int | None, set[LinkKind]]]:
        files = await database.list_linked_files([knowledge_id], [MODEL])
        mine = [file for file in files if file.id in (given, attached)]
        return {file.id: (file.filename, file.size, {link.kind for link in file.links}) for file in mine}

    assert await is_observed() == {given: ("plan.txt", 5, {LinkKind.KNOWLEDGE})}
    folder = post(http, f"/api/v1/knowledge/{knowledge_id}/dirs/create", name="plans")["id"]
    post(http, f"/api/v1/knowledge/{knowledge_id}/file/move", file_id=given, directory_id=folder)
    (moved,) = await database.list_files_by_id([given])
    assert [link.folder for link in moved.links] == [folder]
    send(http, attached)
    assert (await is_observed())[attached] == ("chat.txt", 5, {LinkKind.MODEL})
    post(http, f"/api/v1/files/{given}/rename", filename="new.txt")
    assert (await is_observed())[given][0] == "new.txt"
    http.post(
        f"/api/v1/knowledge/{knowledge_id}/file/remove",
        json={"file_id": given},
        params={"delete_file": "false"},
    ).raise_for_status()
    assert set(await is_observed()) == {attached}
    (left,) = await database.list_files_by_id([given, "00000000-0000-4000-8000-000000000000"])
    assert (left.id, left.links, left.knowledge, left.remover) == (given, (), knowledge_id, "")
    http.delete(f"/api/v1/files/{attached}").raise_for_status()
    assert await is_observed() == {}


def post(http: httpx.Client, path: str, **body: Any) -> Any:
    response = http.post(path, json=body)
    assert response.is_success, response.text
    return response.json()


def send(http: httpx.Client, file_id: str) -> None:
    """Send a file to the persona's model, as the browser does."""
    if http.get("/api/v1/functions/id/echo").status_code != 200:
        post(
            http, "/api/v1/functions/create", id="echo", name="echo", content=PIPE, meta={"description": "x"}
        )
        post(http, "/api/v1/functions/id/echo/toggle")
        model = {"name": MODEL, "meta": {}, "params": {}, "is_active": True}
        post(http, "/api/v1/models/create", id=MODEL, base_model_id="echo", **model)
    http.get("/api/models", params={"refresh": "true"}).raise_for_status()
    message_id, files = str(uuid.uuid4()), [{"type": "file", "id": file_id, "name": "chat.txt"}]
    post(
        http,
        "/api/chat/completions",
        model=MODEL,
        stream=True,
        parent_id=None,
        id=str(uuid.uuid4()),
        session_id="tests",
        user_message={"id": message_id, "role": "user", "content": "hi", "files": files},
        messages=[{"role": "user", "content": "hi"}],
        files=files,
    )
