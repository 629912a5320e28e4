"""Tests of the separation of tenants, with links across tenants and people who move."""

import asyncio

from file_sync.planner.models import FileState
from file_sync.settings import FileSyncSettings
from file_sync.sync.loops import SyncLoops

from tests.integration.file_sync.conftest import A, B, FileSyncHarness

ANNA, BOB = f"anna@{A}.example", f"bob@{B}.example"


async def sync_both_tenants(harness: FileSyncHarness) -> dict[str, dict[str, FileState]]:
    found = {}
    for tenant_id in (A, B):
        result = await harness.replica.run(tenant_id)
        found[tenant_id] = {file_id: each.state for file_id, each in result.plan.reports.items()}
    return found


async def test_each_tenant_has_its_files(
    harness: FileSyncHarness, anna: str, bob: str, unique_word: str
) -> None:
    annas = harness.give(anna, "plan.txt", f"Anna's {unique_word}.", A)
    bobs = harness.give(bob, "plan.txt", f"Bob's {unique_word}.", B)
    await harness.sync_until_stable(A)
    await harness.sync_until_stable(B)
    assert harness.list_keys(A) == [harness.build_key(annas, "plan.txt")]
    assert harness.list_keys(B) == [harness.build_key(bobs, "plan.txt")]
    assert [each["text"] for each in await harness.search(ANNA, unique_word)] == [f"Anna's {unique_word}."]
    assert [each["text"] for each in await harness.search(BOB, unique_word)] == [f"Bob's {unique_word}."]


async def test_a_file_in_another_tenants_knowledge_base_is_not_stored(
    harness: FileSyncHarness, anna: str
) -> None:
    in_knowledge = harness.give(anna, "smuggled.txt", "Tide.", B)
    sent = harness.owui.upload(anna, "sent.txt", b"Tide.")
    harness.owui.send_in_chat(anna, sent, f"tenant-{B}.finance")
    claimed = harness.owui.upload(anna, "claimed.txt", b"Tide.", knowledge_id=harness.get_knowledge_id(B))
    found = await sync_both_tenants(harness)
    assert found == {A: {}, B: dict.fromkeys((in_knowledge, sent, claimed), FileState.OTHER_TENANT)}
    assert harness.list_keys(A) == harness.list_keys(B) == []


async def test_a_file_in_both_tenants_knowledge_bases_goes_to_its_owners(
    harness: FileSyncHarness, anna: str, bob: str
) -> None:
    file_id = harness.give(anna, "both.txt", "Tide.", A)
    harness.owui.add_to_knowledge(file_id, harness.get_knowledge_id(B))
    await harness.sync_until_stable(A)
    await harness.sync_until_stable(B)
    assert harness.list_keys(A) == [harness.build_key(file_id, "both.txt")]
    assert harness.list_keys(B) == []


async def test_files_of_people_without_a_tenant_are_ignored_and_counted(harness: FileSyncHarness) -> None:
    people = [
        await harness.ensure_person("eve@elsewhere.example"),
        await harness.ensure_person(f"mallory@{A}.example", verified=False),
        await harness.ensure_person("torn@elsewhere.example", groups=[]),
        harness.owui.create_account(None),
        harness.owui.create_account("00000000-0000-0000-0000-000000000000"),
        harness.owui.create_account("../users"),
    ]
    for each in people:
        harness.give(each, "plan.txt", "Tide.", A)
    result = await harness.replica.run(A)
    assert {each.state for each in result.plan.reports.values()} == {FileState.NO_TENANT}
    assert result.unassigned_owners == set(people)
    assert harness.list_keys(A) == []


async def test_a_disabled_account_makes_no_documents(harness: FileSyncHarness, anna: str) -> None:
    path = f"users/{harness.subjects[ANNA]}"
    user = await harness.people._call_admin_api("GET", path)
    await harness.people._call_admin_api("PUT", path, json={**user, "enabled": False})
    harness.give(anna, "plan.txt", "Tide.", A)
    await harness.replica.run(A)
    assert harness.list_keys(A) == []


async def test_files_are_stored_once_the_owners_address_is_verified(harness: FileSyncHarness) -> None:
    new = await harness.ensure_person(f"new@{A}.example", verified=False)
    file_id = harness.give(new, "plan.txt", "Tide.", A)
    await harness.replica.run(A)
    assert harness.list_keys(A) == []
    await harness.people.verify(f"new@{A}.example", verified=True)
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(file_id, "plan.txt")]


async def test_documents_stay_with_their_tenant_when_the_owner_moves(
    harness: FileSyncHarness, anna: str, bob: str, unique_word: str
) -> None:
    old = harness.give(anna, "old.txt", f"Anna's old {unique_word}.", A)
    await harness.sync_until_stable(A)
    await move(harness)
    # Open WebUI still lets the person use the old file, now in tenant B.
    harness.owui.send_in_chat(anna, old, f"tenant-{B}.finance")
    harness.owui.add_to_knowledge(old, harness.get_knowledge_id(B))
    new = harness.give(anna, "new.txt", f"Anna's new {unique_word}.", B)
    await harness.sync_until_stable(A)
    await harness.sync_until_stable(B)
    assert harness.list_keys(A) == [harness.build_key(old, "old.txt")], "nothing is deleted or changed"
    assert harness.list_keys(B) == [harness.build_key(new, "new.txt")], "nothing is copied"
    assert [each["text"] for each in await harness.search(BOB, unique_word)] == [f"Anna's new {unique_word}."]


async def test_a_person_who_left_may_only_delete(harness: FileSyncHarness, anna: str) -> None:
    file_id = harness.give(anna, "old.txt", "Tide.", A)
    await harness.sync_until_stable(A)
    await move(harness)
    harness.owui.rename(file_id, "renamed.txt")
    harness.owui.replace_content(file_id, b"Another content.")
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(file_id, "old.txt")]
    harness.owui.delete_file(file_id)
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == []


async def test_a_suspended_tenants_files_are_neither_stored_nor_deleted(
    harness: FileSyncHarness, anna: str
) -> None:
    kept = harness.give(anna, "kept.txt", "Tide.", A)
    await harness.sync_until_stable(A)
    await harness.patch(A, {"suspended": True})
    harness.owui.delete_file(kept)
    harness.give(anna, "new.txt", "Tide.", A)
    sync = SyncLoops(
        FileSyncSettings.model_construct(
            poll_interval_seconds=0.1, full_sync_interval_seconds=60, document_bytes=1000, files_bucket="x"
        ),
        database=harness.replica.database,
        registry=harness.replica.registry,
        personas=harness.replica.personas,
        tenant_sync=harness.replica.tenant_sync,
    )
    leading = asyncio.create_task(sync.run())
    await asyncio.sleep(1.5)
    assert harness.list_keys(A) == [harness.build_key(kept, "kept.txt")]
    leading.cancel()
    await asyncio.wait([leading])


async def move(harness: FileSyncHarness) -> None:
    """Move Anna to tenant B, by her address."""
    path = f"users/{harness.subjects[ANNA]}"
    user = await harness.people._call_admin_api("GET", path)
    moved = {"email": f"anna-moved@{B}.example", "emailVerified": True}
    await harness.people._call_admin_api("PUT", path, json={**user, **moved})
