"""Tests of the HTTP API of file-sync, with one running program for all."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.integration.file_sync.conftest import A, B, FileSyncHarness
from tests.support.file_sync.program import list_own_files, run_file_sync
from tests.support.timing.waiting import wait_until

ANNA = f"anna@{A}.example"


@pytest.fixture(scope="module")
async def program(open_harness: FileSyncHarness) -> AsyncIterator[httpx.AsyncClient]:
    async with run_file_sync(open_harness.program_env, FILE_SYNC_POLL_INTERVAL_SECONDS="0.3") as running:
        yield running.http


async def test_a_person_removed_from_the_tenant_is_refused_within_five_seconds(
    harness: FileSyncHarness, program: httpx.AsyncClient, anna: str
) -> None:
    """The token is valid for hours, but the Tenant decides; the person's documents stay."""
    given = harness.give(anna, "plan.txt", "Tide.", A)

    async def is_ready() -> bool:
        files = await list_own_files(program, harness.tokens[ANNA])
        return files.get("plan.txt", {}).get("state") == "ready"

    await wait_until(is_ready, seconds=30)
    await harness.patch(A, {"identity": {"emails": [f"others@{A}.example"]}})
    try:
        headers = {"Authorization": f"Bearer {harness.tokens[ANNA]}"}

        async def is_refused() -> bool:
            response = await program.get("/v1/files", headers=headers)
            return response.status_code == 403 and response.json()["type"].endswith("/no-tenant")

        await wait_until(is_refused, seconds=5)
        assert harness.list_keys(A) == [harness.build_key(given, "plan.txt")]
    finally:
        await harness.patch(A, {"identity": {"emails": [f"*@{A}.example"]}})


async def test_a_person_who_moved_does_not_see_files_of_the_old_tenant(
    harness: FileSyncHarness, program: httpx.AsyncClient, anna: str
) -> None:
    old = harness.give(anna, "old.txt", "Tide.", A)

    async def is_ready() -> bool:
        files = await list_own_files(program, harness.tokens[ANNA])
        return files.get("old.txt", {}).get("state") == "ready"

    await wait_until(is_ready, seconds=30)
    await harness.people._call_admin_api("DELETE", f"users/{harness.subjects[ANNA]}/groups/none", ok=(404,))
    path = f"users/{harness.subjects[ANNA]}"
    user = await harness.people._call_admin_api("GET", path)
    await harness.people._call_admin_api("PUT", path, json={**user, "email": f"anna-moved@{B}.example"})
    token = await harness.people.fetch_token(f"anna-moved@{B}.example")
    harness.owui.send_in_chat(anna, old, f"tenant-{B}.finance")
    harness.give(anna, "new.txt", "Tide.", B)
    assert set(await list_own_files(program, token)) == {"new.txt"}


@pytest.mark.usefixtures("anna")
async def test_people_of_another_class_are_refused(
    harness: FileSyncHarness, program: httpx.AsyncClient
) -> None:
    headers = {"Authorization": f"Bearer {harness.tokens[ANNA]}"}
    assert (await program.get("/v1/files", headers=headers)).status_code == 200
    async with run_file_sync(harness.program_env, FILE_SYNC_TENANT_CLASS="staging") as running:
        response = await running.http.get("/v1/files", headers=headers)
        assert response.status_code == 403
        assert response.json()["type"].endswith("/no-tenant")


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Tenantry-Hint": "wrong"}, {"X-Tenantry-Hint": ""}, {"Authorization": "Bearer x"}],
    ids=["none", "wrong", "empty", "a token"],
)
async def test_a_hint_without_the_secret_is_refused(
    harness: FileSyncHarness, program: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await program.post("/v1/hints", headers=headers, content=b"x" * 100_000)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"].endswith("/hint-refused")


@pytest.mark.parametrize(
    ("authorization", "status", "kind"),
    [
        ("", 401, "token-refused"),
        ("Bearer nonsense", 401, "token-refused"),
        ("Ticket nonsense", 401, "token-refused"),
    ],
)
async def test_files_are_listed_only_with_a_persons_token(
    harness: FileSyncHarness, program: httpx.AsyncClient, authorization: str, status: int, kind: str
) -> None:
    response = await program.get(
        "/v1/files", headers={"Authorization": authorization} if authorization else {}
    )
    assert response.status_code == status
    assert response.json()["type"].endswith(f"/{kind}")
    assert response.json()["instance"] == response.headers["x-request-id"]


async def test_a_person_without_a_tenant_is_refused(
    harness: FileSyncHarness, program: httpx.AsyncClient
) -> None:
    await harness.ensure_person(f"mallory@{A}.example", verified=False)
    token = harness.tokens[f"mallory@{A}.example"]
    response = await program.get("/v1/files", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 403
    assert response.json()["type"].endswith("/no-tenant")


async def test_an_invalid_parameter_is_a_problem_without_its_value(
    harness: FileSyncHarness, program: httpx.AsyncClient, anna: str
) -> None:
    headers = {"Authorization": f"Bearer {harness.tokens[ANNA]}"}
    response = await program.get("/v1/files", headers=headers, params={"id": "../x"})
    assert response.status_code == 422
    assert "../x" not in response.text
