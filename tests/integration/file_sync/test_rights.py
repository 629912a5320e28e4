"""Tests of removals, new versions and colleagues' names, on the real backends."""

import pytest
from file_sync.planner.messages import NAME_OF_COLLEAGUE
from file_sync.planner.models import FileState, PlanConfig
from file_sync.user_files import UserFiles
from tenancy.identity import Principal
from tenantry_local.parts.aws import FILES_BUCKET

from tests.integration.file_sync.conftest import A, B, FileSyncHarness
from tests.support.file_sync.replica import DOCUMENT_BYTES

ANNA, BEN = f"anna@{A}.example", f"ben@{A}.example"
DORA = f"boss@{A}.example"
"""An administrator of the tenant."""


@pytest.fixture
async def ben(harness: FileSyncHarness) -> str:
    """Return the account of Ben, a colleague of Anna."""
    return await harness.ensure_person(BEN)


async def search_texts(harness: FileSyncHarness, unique_word: str) -> list[str]:
    """Return the texts that Anna's search finds."""
    return sorted(
        each["text"] for each in await harness.search(ANNA, unique_word) if unique_word in each["text"]
    )


async def list_states(harness: FileSyncHarness, email: str) -> dict[str, FileState]:
    """Return the state of each file that a person sees, by id."""
    tenant = harness.replica.registry.get(A)
    assert tenant
    files = UserFiles(
        harness.replica.database,
        harness.replica.gateway,
        harness.replica.document_owners,
        harness.replica.personas,
        PlanConfig(DOCUMENT_BYTES, FILES_BUCKET),
    )
    person = Principal(tenant, harness.subjects[email], email, admin=False)
    listed = await files.list(person, harness.tokens[email], None)
    return {each.file.id: each.report.state for each in listed}


async def test_a_reset_by_a_colleague_loses_no_document(
    harness: FileSyncHarness, anna: str, ben: str, unique_word: str
) -> None:
    annas = harness.give(anna, "annas.txt", f"{unique_word} of Anna.", A)
    bens = harness.give(ben, "bens.txt", f"{unique_word} of Ben.", A)
    await harness.sync_until_stable(A)
    harness.owui.reset_knowledge(harness.get_knowledge_id(A), by=ben)
    result = await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(annas, "annas.txt")]
    assert await search_texts(harness, unique_word) == [f"{unique_word} of Anna."]
    assert result.plan.counts[FileState.KEPT] == 1
    assert await list_states(harness, ANNA) == {annas: FileState.KEPT}
    assert bens not in await list_states(harness, BEN)


async def test_only_owner_and_administrator_remove_a_document(
    harness: FileSyncHarness, anna: str, ben: str, unique_word: str
) -> None:
    dora = await harness.ensure_person(DORA)
    user_of_b = await harness.ensure_person(f"eve@{B}.example")
    file_id = harness.give(anna, "plan.txt", f"{unique_word}.", A)
    await harness.sync_until_stable(A)
    for who in ("", ben, user_of_b):
        harness.owui.remove_from_knowledge(file_id, harness.get_knowledge_id(A), by=who)
        await harness.sync_until_stable(A)
        assert harness.list_keys(A) == [harness.build_key(file_id, "plan.txt")], who
        assert await list_states(harness, ANNA) == {file_id: FileState.KEPT}
        harness.owui.add_to_knowledge(file_id, harness.get_knowledge_id(A))
        await harness.sync_until_stable(A)
    for who in (dora, anna):
        harness.owui.remove_from_knowledge(file_id, harness.get_knowledge_id(A), by=who)
        await harness.sync_until_stable(A)
        assert harness.list_keys(A) == []
        assert await search_texts(harness, unique_word) == []
        harness.owui.add_to_knowledge(file_id, harness.get_knowledge_id(A))
        await harness.sync_until_stable(A)
        assert await search_texts(harness, unique_word) == [f"{unique_word}."]


async def test_a_deleted_chat_deletes_files_that_were_only_sent_there(
    harness: FileSyncHarness, anna: str
) -> None:
    sent = harness.owui.upload(anna, "sent.txt", b"Tide.")
    chat = harness.owui.send_in_chat(anna, sent, f"tenant-{A}.finance")
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(sent, "sent.txt")]
    harness.owui.execute("delete from chat where id = %s", chat)
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == []


async def test_a_file_with_the_name_of_a_colleagues_document_is_refused_with_a_reason(
    harness: FileSyncHarness, anna: str, ben: str, unique_word: str
) -> None:
    annas = harness.give(anna, "plan.txt", f"{unique_word} of Anna.", A)
    await harness.sync_until_stable(A)
    bens = harness.give(ben, "plan.txt", f"{unique_word} of Ben.", A)
    sent = harness.owui.upload(ben, "plan.txt", f"{unique_word} in a chat.".encode())
    harness.owui.send_in_chat(ben, sent, f"tenant-{A}.finance")
    result = await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(annas, "plan.txt")]
    assert await search_texts(harness, unique_word) == [f"{unique_word} of Anna."]
    assert {result.plan.reports[each].reason for each in (bens, sent)} == {NAME_OF_COLLEAGUE}
    assert await list_states(harness, BEN) == {bens: FileState.REFUSED, sent: FileState.REFUSED}
    assert await list_states(harness, ANNA) == {annas: FileState.READY}
    harness.owui.delete_file(annas)
    harness.owui.delete_file(sent)
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(bens, "plan.txt")]


@pytest.mark.parametrize("way", ["knowledge", "chat"])
async def test_a_new_version_replaces_the_old_version(
    harness: FileSyncHarness, anna: str, unique_word: str, way: str
) -> None:
    def give(text: str) -> str:
        if way == "knowledge":
            return harness.give(anna, "price.txt", text, A)
        file_id = harness.owui.upload(anna, "price.txt", text.encode())
        harness.owui.send_in_chat(anna, file_id, f"tenant-{A}.finance")
        return file_id

    old = give(f"{unique_word} costs 10 crowns.")
    harness.owui.backdate(old, 60)
    await harness.sync_until_stable(A)
    new = give(f"{unique_word} costs 20 crowns.")
    result = await harness.sync_until_stable(A)
    assert result.is_complete
    assert harness.list_keys(A) == [harness.build_key(new, "price.txt")]
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 20 crowns."]
    assert await list_states(harness, ANNA) == {old: FileState.REPLACED, new: FileState.READY}
    calls = harness.n8n.calls
    assert not (await harness.replica.run(A)).plan.actions
    assert harness.n8n.calls == calls
    harness.owui.delete_file(new)
    await harness.sync_until_stable(A)
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 10 crowns."]


async def test_a_new_version_that_cannot_be_read_leaves_the_old_version(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    old = harness.give(anna, "price.txt", f"{unique_word} costs 10 crowns.", A)
    harness.owui.backdate(old, 60)
    await harness.sync_until_stable(A)
    bad = harness.owui.upload(anna, "price.txt", b"MZ\x90\x00 a program")
    harness.owui.add_to_knowledge(bad, harness.get_knowledge_id(A))
    await harness.sync_until_stable(A)
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 10 crowns."]
    assert await list_states(harness, ANNA) == {old: FileState.READY, bad: FileState.FAILED}
    new = harness.give(anna, "price.txt", f"{unique_word} costs 20 crowns.", A)
    harness.owui.backdate(bad, 30)
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(new, "price.txt")]
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 20 crowns."]
