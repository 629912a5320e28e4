"""Nothing crosses from one tenant to another, whoever links what to what, and wherever people move."""

import asyncio

from file_sync.planner.plan import State
from file_sync.settings import Settings
from file_sync.sync.loops import Sync

from tests.integration.file_sync.conftest import A, B, Stage

ANNA, BOB = f"anna@{A}.example", f"bob@{B}.example"


async def both(stage: Stage) -> dict[str, dict[str, State]]:
    found = {}
    for tenant_id in (A, B):
        worked = await stage.replica.run(tenant_id)
        found[tenant_id] = {file_id: each.state for file_id, each in worked.plan.verdicts.items()}
    return found


async def test_each_tenant_has_its_own(stage: Stage, anna: str, bob: str, word: str) -> None:
    annas = stage.give(anna, "plan.txt", f"Anna's {word}.", A)
    bobs = stage.give(bob, "plan.txt", f"Bob's {word}.", B)
    await stage.settle(A)
    await stage.settle(B)
    assert stage.keys(A) == [stage.key(annas, "plan.txt")]
    assert stage.keys(B) == [stage.key(bobs, "plan.txt")]
    assert [each["text"] for each in await stage.search(ANNA, word)] == [f"Anna's {word}."]
    assert [each["text"] for each in await stage.search(BOB, word)] == [f"Bob's {word}."]


async def test_a_file_in_another_tenants_knowledge_base_goes_nowhere(stage: Stage, anna: str) -> None:
    in_knowledge = stage.give(anna, "smuggled.txt", "Tide.", B)
    sent = stage.owui.upload(anna, "sent.txt", b"Tide.")
    stage.owui.send(anna, sent, f"tenant-{B}.finance")
    claimed = stage.owui.upload(anna, "claimed.txt", b"Tide.", knowledge_id=stage.knowledge(B))
    found = await both(stage)
    assert found == {A: {}, B: dict.fromkeys((in_knowledge, sent, claimed), State.FOREIGN)}
    assert stage.keys(A) == stage.keys(B) == []


async def test_a_file_in_both_tenants_knowledge_bases_goes_to_its_owners(
    stage: Stage, anna: str, bob: str
) -> None:
    file_id = stage.give(anna, "both.txt", "Tide.", A)
    stage.owui.put_in(file_id, stage.knowledge(B))
    await stage.settle(A)
    await stage.settle(B)
    assert stage.keys(A) == [stage.key(file_id, "both.txt")]
    assert stage.keys(B) == []


async def test_people_without_a_tenant_are_left_alone_and_counted(stage: Stage) -> None:
    people = [
        await stage.person("eve@elsewhere.example"),
        await stage.person(f"mallory@{A}.example", verified=False),
        await stage.person("torn@elsewhere.example", groups=[]),
        stage.owui.account(None),
        stage.owui.account("00000000-0000-0000-0000-000000000000"),
        stage.owui.account("../users"),
    ]
    for each in people:
        stage.give(each, "plan.txt", "Tide.", A)
    worked = await stage.replica.run(A)
    assert {each.state for each in worked.plan.verdicts.values()} == {State.NO_TENANT}
    assert worked.strangers == set(people)
    assert stage.keys(A) == []


async def test_a_disabled_account_makes_no_documents(stage: Stage, anna: str) -> None:
    path = f"users/{stage.subjects[ANNA]}"
    user = await stage.people._admin("GET", path)
    await stage.people._admin("PUT", path, json={**user, "enabled": False})
    stage.give(anna, "plan.txt", "Tide.", A)
    await stage.replica.run(A)
    assert stage.keys(A) == []


async def test_a_first_time_user_whose_address_is_verified_later_is_seen_then(stage: Stage) -> None:
    new = await stage.person(f"new@{A}.example", verified=False)
    file_id = stage.give(new, "plan.txt", "Tide.", A)
    await stage.replica.run(A)
    assert stage.keys(A) == []
    await stage.people.verify(f"new@{A}.example", verified=True)
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(file_id, "plan.txt")]


async def test_what_somebody_gave_stays_with_that_tenant_when_they_move(
    stage: Stage, anna: str, bob: str, word: str
) -> None:
    old = stage.give(anna, "old.txt", f"Anna's old {word}.", A)
    await stage.settle(A)
    await move(stage)
    # All that Open WebUI still lets the person do with their own file.
    stage.owui.send(anna, old, f"tenant-{B}.finance")
    stage.owui.put_in(old, stage.knowledge(B))
    new = stage.give(anna, "new.txt", f"Anna's new {word}.", B)
    await stage.settle(A)
    await stage.settle(B)
    assert stage.keys(A) == [stage.key(old, "old.txt")], "not deleted, not changed"
    assert stage.keys(B) == [stage.key(new, "new.txt")], "not copied"
    assert [each["text"] for each in await stage.search(BOB, word)] == [f"Anna's new {word}."]


async def test_somebody_who_left_changes_nothing_and_may_still_delete(stage: Stage, anna: str) -> None:
    file_id = stage.give(anna, "old.txt", "Tide.", A)
    await stage.settle(A)
    await move(stage)
    stage.owui.rename(file_id, "renamed.txt")
    stage.owui.change(file_id, b"Another content.")
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(file_id, "old.txt")]
    stage.owui.delete(file_id)
    await stage.settle(A)
    assert stage.keys(A) == []


async def test_a_suspended_tenants_files_are_neither_stored_nor_deleted(stage: Stage, anna: str) -> None:
    kept = stage.give(anna, "kept.txt", "Tide.", A)
    await stage.settle(A)
    await stage.patch(A, {"suspended": True})
    stage.owui.delete(kept)
    stage.give(anna, "new.txt", "Tide.", A)
    sync = Sync(
        Settings.model_construct(poll_seconds=0.1, full_seconds=60, document_bytes=1000, files_bucket="x"),
        source=stage.replica.source,
        registry=stage.replica.registry,
        atlas=stage.replica.atlas,
        work=stage.replica.work,
    )
    leading = asyncio.create_task(sync.lead())
    await asyncio.sleep(1.5)
    assert stage.keys(A) == [stage.key(kept, "kept.txt")]
    leading.cancel()
    await asyncio.wait([leading])


async def move(stage: Stage) -> None:
    """Let Anna belong to tenant B from now on, by her address."""
    path = f"users/{stage.subjects[ANNA]}"
    user = await stage.people._admin("GET", path)
    moved = {"email": f"anna-moved@{B}.example", "emailVerified": True}
    await stage.people._admin("PUT", path, json={**user, **moved})
