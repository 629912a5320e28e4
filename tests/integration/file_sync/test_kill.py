"""Tests of a kill between any two calls to other systems: the next run completes the work, each action once.

From the n-th call on, every call raises an error. Calls in progress still arrive, as after a real kill.
test_program.py uses kill -9.
"""

import asyncio
from itertools import count

from tests.integration.file_sync.conftest import A, FileSyncHarness
from tests.support.file_sync.replica import crash_replica_after

ANNA = f"anna@{A}.example"


async def check_stored_once(harness: FileSyncHarness, unique_word: str, *files: tuple[str, str]) -> None:
    """Check that exactly these files, by id and name, are stored and found, each once."""
    await harness.reset_deletions(A)  # a test deletes more within minutes than the limit allows
    result = await harness.sync_until_stable(A)
    assert not result.remaining
    assert sorted(harness.list_keys(A)) == sorted(harness.build_key(*each) for each in files)
    assert set((await harness.get_states(A)).values()) <= {"ready"}
    found = sorted(each["filename"] for each in await harness.search(ANNA, unique_word))
    assert found == sorted(each[1] for each in files)
    assert await harness.count_points(A) == len(files)


async def test_killed_after_any_call_each_new_file_is_stored_once(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    for last in count():
        files = [(harness.give(anna, f"{n}.txt", f"{unique_word} {n}.", A), f"{n}.txt") for n in range(2)]
        killed = await crash_replica_after(last, harness.replica, lambda: harness.replica.run(A))
        await check_stored_once(harness, unique_word, *files)
        if not killed:
            break
        for file_id, _ in files:
            harness.owui.delete_file(file_id)
        await check_stored_once(harness, unique_word)
    assert last >= 9, "too few calls failed: list, files, owner (2), 2 x (get, put, ingest)"


async def test_killed_after_any_call_a_move_is_completed(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    for last in count():
        file_id = harness.give(anna, "old.txt", f"{unique_word}.", A)
        await harness.sync_until_stable(A)
        harness.owui.rename(file_id, "new.txt")
        killed = await crash_replica_after(last, harness.replica, lambda: harness.replica.run(A))
        await check_stored_once(harness, unique_word, (file_id, "new.txt"))
        if not killed:
            break
        harness.owui.delete_file(file_id)
        await check_stored_once(harness, unique_word)
    assert last >= 7


async def test_killed_after_any_call_of_a_change_only_the_new_content_is_found(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    for last in count():
        file_id = harness.give(anna, "plan.txt", f"{unique_word} before.", A)
        await harness.sync_until_stable(A)
        harness.owui.replace_content(file_id, f"{unique_word} after.".encode())
        killed = await crash_replica_after(last, harness.replica, lambda: harness.replica.run(A))
        await check_stored_once(harness, unique_word, (file_id, "plan.txt"))
        assert [each["text"] for each in await harness.search(ANNA, unique_word)] == [f"{unique_word} after."]
        if not killed:
            break
        harness.owui.delete_file(file_id)
        await check_stored_once(harness, unique_word)
    assert last >= 6


async def test_killed_after_any_call_of_a_new_version_one_document_is_left(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    for last in count():
        old = harness.give(anna, "plan.txt", f"{unique_word} before.", A)
        harness.owui.backdate(old, 60)
        await harness.sync_until_stable(A)
        new = harness.give(anna, "plan.txt", f"{unique_word} after.", A)
        killed = await crash_replica_after(last, harness.replica, lambda: harness.replica.run(A))
        assert await harness.search(ANNA, unique_word), "at least one version is found at any time"
        await check_stored_once(harness, unique_word, (new, "plan.txt"))
        assert [each["text"] for each in await harness.search(ANNA, unique_word)] == [f"{unique_word} after."]
        if not killed:
            break
        harness.owui.delete_file(old)
        harness.owui.delete_file(new)
        await check_stored_once(harness, unique_word)
    assert last >= 6


async def test_killed_after_any_call_of_a_deletion_nothing_is_left(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    for last in count():
        file_id = harness.give(anna, "plan.txt", f"{unique_word}.", A)
        await harness.sync_until_stable(A)
        harness.owui.delete_file(file_id)
        killed = await crash_replica_after(last, harness.replica, lambda: harness.replica.run(A))
        await check_stored_once(harness, unique_word)
        if not killed:
            break
    assert last >= 3


async def test_two_concurrent_leaders_store_nothing_twice(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    files = [(harness.give(anna, f"{n}.txt", f"{unique_word} {n}.", A), f"{n}.txt") for n in range(3)]
    await asyncio.gather(harness.replica.run(A), harness.replica.run(A), return_exceptions=True)
    await check_stored_once(harness, unique_word, *files)
