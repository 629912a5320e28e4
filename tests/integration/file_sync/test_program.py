"""Tests of the program ``python -m file_sync``: loops, hints, HTTP API, and kill -9."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from tenantry_local.parts.services import file_sync_env

from tests.integration.file_sync.conftest import A, B, FileSyncHarness
from tests.support.programs.ports import find_free_port_pair
from tests.support.timing.waiting import until

ANNA, BOB = f"anna@{A}.example", f"bob@{B}.example"
FILES = 20


def make_environment(harness: FileSyncHarness, port: int, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        **file_sync_env(harness.platform.context),
        "FILE_SYNC_PORT": str(port),
        "FILE_SYNC_METRICS_PORT": str(port + 1),
        "FILE_SYNC_DATABASE_URL": harness.owui.url,
        "FILE_SYNC_GATEWAY_URL": harness.gateway.url,
        "FILE_SYNC_UPLOAD_URL": harness.n8n.url,
        "FILE_SYNC_DOCUMENT_BYTES": "1000000",
        **more,
    }


@asynccontextmanager
async def run_file_sync(
    harness: FileSyncHarness, **more: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """Run file-sync in a separate process, and wait until it is ready."""
    port = find_free_port_pair()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "file_sync",
        env=make_environment(harness, port, **more),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:

            async def is_ready() -> bool:
                with suppress(httpx.TransportError):
                    return (await http.get("/readyz")).status_code == 200
                return False

            await until(is_ready, seconds=60)
            yield process, http
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def list_own_files(http: httpx.AsyncClient, token: str, **params: Any) -> dict[str, dict[str, Any]]:
    response = await http.get("/v1/files", headers={"Authorization": f"Bearer {token}"}, params=params)
    assert response.status_code == 200, response.text
    return {each["filename"]: each for each in response.json()["files"]}


async def get_metric(http: httpx.AsyncClient, name: str) -> float:
    metrics_url = http.base_url.copy_with(port=(http.base_url.port or 0) + 1).join("/metrics")
    lines = (await http.get(metrics_url)).text.splitlines()
    return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")))


async def test_people_see_the_status_of_their_files(harness: FileSyncHarness, anna: str, bob: str) -> None:
    hint = {"X-Tenantry-Hint": harness.platform.context.secrets["file-sync-hints"]}
    async with run_file_sync(harness, FILE_SYNC_POLL_INTERVAL_SECONDS="60") as (_, http):
        await until(lambda: _is_leader(http), seconds=20)
        good = harness.give(anna, "good.txt", "Tide.", A)
        bad = harness.owui.upload(anna, "bad.pdf", b"MZ\x90\x00")
        harness.owui.add_to_knowledge(bad, harness.knowledge(A, "hr"))
        large = harness.owui.upload(anna, "large.txt", b"x" * 1_000_001)
        harness.owui.add_to_knowledge(large, harness.knowledge(A))
        harness.owui.upload(anna, "attached.txt", b"Tide.")
        harness.give(bob, "bobs.txt", "Tide.", B)
        assert (await http.post("/v1/hints", headers=hint)).status_code == 204

        async def is_done() -> bool:
            files = await list_own_files(http, harness.tokens[ANNA])
            return (files["good.txt"]["state"], files["bad.pdf"]["state"]) == ("ready", "failed")

        await until(is_done, seconds=30)
        files = await list_own_files(http, harness.tokens[ANNA])
        assert {name: (each["state"], each["personaId"]) for name, each in files.items()} == {
            "good.txt": ("ready", "finance"),
            "bad.pdf": ("failed", "hr"),
            "large.txt": ("refused", "finance"),
            "attached.txt": ("not-synced", None),
        }
        assert files["good.txt"]["id"] == good
        assert files["good.txt"]["reason"] is None
        assert "binary" in files["bad.pdf"]["reason"]
        assert files["large.txt"]["reason"] == "The file has 1000001 bytes; the limit is 1000000."
        assert files["attached.txt"]["reason"].startswith("It is in no persona's knowledge base")
        assert files["good.txt"]["updatedAt"].endswith("Z")
        assert set(await list_own_files(http, harness.tokens[BOB])) == {"bobs.txt"}
        assert await list_own_files(http, harness.tokens[BOB], id=good) == {}, (
            "files of other people are left out"
        )
        assert set(await list_own_files(http, harness.tokens[ANNA], id=[good, bad])) == {
            "good.txt",
            "bad.pdf",
        }

        await harness.patch(A, {"quota": {"documents": 2, "queriesPerMinute": 100_000}})
        harness.give(anna, "one-too-many.txt", "Tide.", A)

        async def is_refused() -> bool:
            files = await list_own_files(http, harness.tokens[ANNA])
            return bool(files["one-too-many.txt"]["state"] == "refused")

        await until(is_refused, seconds=30)  # the list of the tenant's documents is cached for 15 seconds
        files = await list_own_files(http, harness.tokens[ANNA])
        assert files["one-too-many.txt"]["reason"].startswith(
            "The tenant has reached its limit of documents: 2 are stored, 2 are allowed."
        )
        await harness.patch(A, {"quota": {"documents": 10_000}})

        await harness.patch(A, {"suspended": True})

        async def is_suspended() -> bool:
            response = await http.get(
                "/v1/files", headers={"Authorization": f"Bearer {harness.tokens[ANNA]}"}
            )
            return str(response.json().get("type", "")).endswith("/tenant-suspended")

        await until(is_suspended)


async def test_a_person_removed_from_the_tenant_is_refused_within_five_seconds(
    harness: FileSyncHarness, anna: str
) -> None:
    """The token is valid for hours, but the Tenant decides; the person's documents stay."""
    async with run_file_sync(harness, FILE_SYNC_POLL_INTERVAL_SECONDS="0.3") as (_, http):
        given = harness.give(anna, "plan.txt", "Tide.", A)

        async def is_ready() -> bool:
            return (await list_own_files(http, harness.tokens[ANNA])).get("plan.txt", {}).get(
                "state"
            ) == "ready"

        await until(is_ready, seconds=30)
        await harness.patch(A, {"identity": {"emails": [f"others@{A}.example"]}})
        try:
            headers = {"Authorization": f"Bearer {harness.tokens[ANNA]}"}

            async def is_refused() -> bool:
                response = await http.get("/v1/files", headers=headers)
                return response.status_code == 403 and response.json()["type"].endswith("/no-tenant")

            await until(is_refused, seconds=5)
            assert harness.keys(A) == [harness.key(given, "plan.txt")]
        finally:
            await harness.patch(A, {"identity": {"emails": [f"*@{A}.example"]}})


async def test_a_person_who_moved_does_not_see_files_of_the_old_tenant(
    harness: FileSyncHarness, anna: str
) -> None:
    async with run_file_sync(harness, FILE_SYNC_POLL_INTERVAL_SECONDS="0.3") as (_, http):
        old = harness.give(anna, "old.txt", "Tide.", A)

        async def is_ready() -> bool:
            return bool(
                (await list_own_files(http, harness.tokens[ANNA])).get("old.txt", {}).get("state") == "ready"
            )

        await until(is_ready, seconds=30)
        await harness.people._admin("DELETE", f"users/{harness.subjects[ANNA]}/groups/none", ok=(404,))
        path = f"users/{harness.subjects[ANNA]}"
        user = await harness.people._admin("GET", path)
        await harness.people._admin("PUT", path, json={**user, "email": f"anna-moved@{B}.example"})
        token = await harness.people.token(f"anna-moved@{B}.example")
        harness.owui.send_in_chat(anna, old, f"tenant-{B}.finance")
        harness.give(anna, "new.txt", "Tide.", B)
        assert set(await list_own_files(http, token)) == {"new.txt"}


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Tenantry-Hint": "wrong"}, {"X-Tenantry-Hint": ""}, {"Authorization": "Bearer x"}],
    ids=["none", "wrong", "empty", "a token"],
)
async def test_a_hint_without_the_secret_is_refused(
    harness: FileSyncHarness, program: Any, headers: Any
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
    await harness.person(f"mallory@{A}.example", verified=False)
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


@pytest.fixture
async def program(harness: FileSyncHarness) -> AsyncIterator[httpx.AsyncClient]:
    async with run_file_sync(harness) as (_, http):
        yield http


async def _is_leader(http: httpx.AsyncClient) -> bool:
    return await get_metric(http, "tenantry_file_sync_leader") == 1


async def test_after_a_kill_another_replica_completes_all_uploads_once(
    harness: FileSyncHarness, anna: str, bob: str, word: str
) -> None:
    poll = {"FILE_SYNC_POLL_INTERVAL_SECONDS": "0.3"}
    async with (
        run_file_sync(harness, **poll) as (leader, first),
        run_file_sync(harness, **poll) as (_, second),
    ):
        await until(lambda: _is_leader(first), seconds=20)
        assert not await _is_leader(second)
        names = {A: set[str](), B: set[str]()}
        for number in range(FILES):
            for owner, tenant_id in ((anna, A), (bob, B)):
                harness.give(
                    owner, f"{tenant_id}-{number}.txt", f"{word} of {tenant_id} {number}.", tenant_id
                )
                names[tenant_id].add(f"{tenant_id}-{number}.txt")
        await until(lambda: harness.n8n.calls > 3, seconds=30)
        leader.kill()

        async def are_all_ready() -> bool:
            states = [await harness.states(each) for each in (A, B)]
            return all(len(each) == FILES and set(each.values()) == {"ready"} for each in states)

        await until(are_all_ready, seconds=90)
    for tenant_id, person in ((A, ANNA), (B, BOB)):
        assert set(await harness.states(tenant_id)) == names[tenant_id]
        assert len(harness.keys(tenant_id)) == FILES
        assert await harness.points(tenant_id) == FILES
        assert all(tenant_id in each["text"] for each in await harness.search(person, word))


async def test_an_unsupported_database_stops_the_start(harness: FileSyncHarness) -> None:
    database = harness.owui.url.rpartition("/")[2]
    wrong = harness.owui.url.removesuffix(database) + "postgres"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "file_sync",
        env=make_environment(harness, 0, FILE_SYNC_DATABASE_URL=wrong),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    log = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
    assert await process.wait() != 0
    assert 'has no column \\"file\\".\\"id\\"' in log
    assert harness.platform.context.secrets["postgres-file-sync"] not in log
