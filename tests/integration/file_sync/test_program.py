"""Tests of the program ``python -m file_sync``: loops, hints, and kill -9."""

import asyncio
import os
import sys

from tests.integration.file_sync.conftest import A, B, FileSyncHarness
from tests.support.file_sync.program import list_own_files, run_file_sync
from tests.support.timing.waiting import wait_until

ANNA, BOB = f"anna@{A}.example", f"bob@{B}.example"
FILES = 20


async def test_people_see_the_status_of_their_files(harness: FileSyncHarness, anna: str, bob: str) -> None:
    hint = {"X-Tenantry-Hint": harness.platform.context.secrets["file-sync-hints"]}
    async with run_file_sync(harness.program_env, FILE_SYNC_POLL_INTERVAL_SECONDS="60") as program:
        http = program.http
        await wait_until(program.is_leader, seconds=20)
        good = harness.give(anna, "good.txt", "Tide.", A)
        bad = harness.owui.upload(anna, "bad.pdf", b"MZ\x90\x00")
        harness.owui.add_to_knowledge(bad, harness.get_knowledge_id(A, "hr"))
        large = harness.owui.upload(anna, "large.txt", b"x" * 1_000_001)
        harness.owui.add_to_knowledge(large, harness.get_knowledge_id(A))
        harness.owui.upload(anna, "attached.txt", b"Tide.")
        harness.give(bob, "bobs.txt", "Tide.", B)
        assert (await http.post("/v1/hints", headers=hint)).status_code == 204

        async def is_done() -> bool:
            files = await list_own_files(http, harness.tokens[ANNA])
            return (files["good.txt"]["state"], files["bad.pdf"]["state"]) == ("ready", "failed")

        await wait_until(is_done, seconds=30)
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

        # The list of the tenant's documents is cached for 15 seconds.
        await wait_until(is_refused, seconds=30)
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

        await wait_until(is_suspended)


async def test_after_a_kill_another_replica_completes_all_uploads_once(
    harness: FileSyncHarness, anna: str, bob: str, unique_word: str
) -> None:
    env = {**harness.program_env, "FILE_SYNC_POLL_INTERVAL_SECONDS": "0.3"}
    async with (
        run_file_sync(env) as first,
        run_file_sync(env) as second,
    ):
        await wait_until(first.is_leader, seconds=20)
        assert not await second.is_leader()
        names = {A: set[str](), B: set[str]()}
        for number in range(FILES):
            for owner, tenant_id in ((anna, A), (bob, B)):
                harness.give(
                    owner, f"{tenant_id}-{number}.txt", f"{unique_word} of {tenant_id} {number}.", tenant_id
                )
                names[tenant_id].add(f"{tenant_id}-{number}.txt")
        await wait_until(lambda: harness.n8n.calls > 3, seconds=30)
        first.process.kill()

        async def are_all_ready() -> bool:
            states = [await harness.get_states(each) for each in (A, B)]
            return all(len(each) == FILES and set(each.values()) == {"ready"} for each in states)

        await wait_until(are_all_ready, seconds=90)
    for tenant_id, person in ((A, ANNA), (B, BOB)):
        assert set(await harness.get_states(tenant_id)) == names[tenant_id]
        assert len(harness.list_keys(tenant_id)) == FILES
        assert await harness.count_points(tenant_id) == FILES
        assert all(tenant_id in each["text"] for each in await harness.search(person, unique_word))


async def test_an_unsupported_database_stops_the_start(harness: FileSyncHarness) -> None:
    database = harness.owui.url.rpartition("/")[2]
    wrong = harness.owui.url.removesuffix(database) + "postgres"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "file_sync",
        env={**os.environ, **harness.program_env, "FILE_SYNC_DATABASE_URL": wrong},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    log = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
    assert await process.wait() != 0
    assert 'has no column \\"file\\".\\"id\\"' in log
    assert harness.platform.context.secrets["postgres-file-sync"] not in log
