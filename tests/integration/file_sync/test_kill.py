"""Death between any two calls to another system: the next run reaches the same end, each document once.

The parts are not killed here but stop calling: from the n-th call on, every call dies. What was under way
still arrives, as it does when a process is killed. test_program.py does it with kill -9.
"""

import asyncio
from itertools import count

from tests.integration.file_sync.conftest import A, Stage
from tests.support.file_sync import killed_after

ANNA = f"anna@{A}.example"


async def once(stage: Stage, word: str, *files: tuple[str, str]) -> None:
    """Make sure that these files, by id and name, are stored and found once each, and nothing else is."""
    await stage.forget_deletions(A)  # a test deletes more within minutes than people may
    worked = await stage.settle(A)
    assert not worked.left
    assert sorted(stage.keys(A)) == sorted(stage.key(*each) for each in files)
    assert set((await stage.states(A)).values()) <= {"ready"}
    found = sorted(each["filename"] for each in await stage.search(ANNA, word))
    assert found == sorted(each[1] for each in files)
    assert await stage.points(A) == len(files)


async def test_killed_after_any_call_of_new_files_each_is_there_once(
    stage: Stage, anna: str, word: str
) -> None:
    for last in count():
        files = [(stage.give(anna, f"{n}.txt", f"{word} {n}.", A), f"{n}.txt") for n in range(2)]
        killed = await killed_after(last, stage.replica, lambda: stage.replica.run(A))
        await once(stage, word, *files)
        if not killed:
            break
        for file_id, _ in files:
            stage.owui.delete(file_id)
        await once(stage, word)
    assert last >= 9, "it died too seldom: list, files, owner (2), 2 x (get, put, ingest)"


async def test_killed_after_any_call_of_a_move_it_is_completed(stage: Stage, anna: str, word: str) -> None:
    for last in count():
        file_id = stage.give(anna, "old.txt", f"{word}.", A)
        await stage.settle(A)
        stage.owui.rename(file_id, "new.txt")
        killed = await killed_after(last, stage.replica, lambda: stage.replica.run(A))
        await once(stage, word, (file_id, "new.txt"))
        if not killed:
            break
        stage.owui.delete(file_id)
        await once(stage, word)
    assert last >= 7


async def test_killed_after_any_call_of_a_change_only_the_new_content_is_found(
    stage: Stage, anna: str, word: str
) -> None:
    for last in count():
        file_id = stage.give(anna, "plan.txt", f"{word} before.", A)
        await stage.settle(A)
        stage.owui.change(file_id, f"{word} after.".encode())
        killed = await killed_after(last, stage.replica, lambda: stage.replica.run(A))
        await once(stage, word, (file_id, "plan.txt"))
        assert [each["text"] for each in await stage.search(ANNA, word)] == [f"{word} after."]
        if not killed:
            break
        stage.owui.delete(file_id)
        await once(stage, word)
    assert last >= 6


async def test_c13_killed_after_any_call_of_a_new_version_one_document_is_left(
    stage: Stage, anna: str, word: str
) -> None:
    for last in count():
        old = stage.give(anna, "plan.txt", f"{word} before.", A)
        stage.owui.age(old, 60)
        await stage.settle(A)
        new = stage.give(anna, "plan.txt", f"{word} after.", A)
        killed = await killed_after(last, stage.replica, lambda: stage.replica.run(A))
        assert await stage.search(ANNA, word), "at least one version is found at any time"
        await once(stage, word, (new, "plan.txt"))
        assert [each["text"] for each in await stage.search(ANNA, word)] == [f"{word} after."]
        if not killed:
            break
        stage.owui.delete(old)
        stage.owui.delete(new)
        await once(stage, word)
    assert last >= 6


async def test_killed_after_any_call_of_a_deletion_nothing_is_left(
    stage: Stage, anna: str, word: str
) -> None:
    for last in count():
        file_id = stage.give(anna, "plan.txt", f"{word}.", A)
        await stage.settle(A)
        stage.owui.delete(file_id)
        killed = await killed_after(last, stage.replica, lambda: stage.replica.run(A))
        await once(stage, word)
        if not killed:
            break
    assert last >= 3


async def test_two_that_lead_at_once_make_nothing_twice(stage: Stage, anna: str, word: str) -> None:
    files = [(stage.give(anna, f"{n}.txt", f"{word} {n}.", A), f"{n}.txt") for n in range(3)]
    await asyncio.gather(stage.replica.run(A), stage.replica.run(A), return_exceptions=True)
    await once(stage, word, *files)
