"""Tests of the HTTP routes: only the caller's files are listed, and only hints with the secret pass."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from file_sync.planner.models import FileReport, FileState
from file_sync.user_files import UserFile

from tests.support.file_sync.files import make_file

from .conftest import HINT_SECRET, make_fake_app

PERSON = {"Authorization": "Bearer person-tenanta"}


@pytest.fixture
def app() -> Any:
    return make_fake_app()


@pytest.fixture
async def http(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://file-sync.test") as client:
        yield client


async def test_files_are_listed_for_the_caller_of_the_token(app: Any, http: httpx.AsyncClient) -> None:
    await http.get("/v1/files", headers=PERSON)
    await http.get("/v1/files?id=f1&id=f2", headers={"Authorization": "Bearer person-tenantb"})
    assert app.state.context.files.calls == [
        ("tenanta", "person-tenanta", None),
        ("tenantb", "person-tenantb", ["f1", "f2"]),
    ]


async def test_a_file_is_listed_with_its_status(app: Any, http: httpx.AsyncClient) -> None:
    report = FileReport(FileState.FAILED, "The PDF is encrypted.", "finance")
    app.state.context.files.files = [UserFile(make_file("f1", updated_at=5), report)]
    response = await http.get("/v1/files", headers=PERSON)
    assert response.json() == {
        "files": [
            {
                "id": "f1",
                "filename": "plan.pdf",
                "personaId": "finance",
                "state": "failed",
                "reason": "The PDF is encrypted.",
                "updatedAt": "1970-01-01T00:00:05Z",
            }
        ]
    }


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}], ids=["none", "invalid"])
async def test_without_a_valid_token_no_files_are_listed(
    app: Any, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    assert (await http.get("/v1/files", headers=headers)).status_code == 401
    assert app.state.context.files.calls == []


async def test_a_hint_with_the_secret_is_broadcast(app: Any, http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/hints", headers={"X-Tenantry-Hint": HINT_SECRET})
    assert response.status_code == 204
    assert app.state.context.leader_elector.hints == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Tenantry-Hint": ""}, {"X-Tenantry-Hint": HINT_SECRET[:-1]}, PERSON],
    ids=["none", "empty", "wrong", "a token"],
)
async def test_a_hint_without_the_secret_is_not_broadcast(
    app: Any, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await http.post("/v1/hints", headers=headers)
    assert response.status_code == 401
    assert response.json()["type"].endswith("/hint-refused")
    assert app.state.context.leader_elector.hints == 0
