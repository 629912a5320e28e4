"""Removals, new versions and colleagues' names on the real Postgres, S3, Keycloak, gateway and index."""

import pytest
from file_sync.planner.plan import COLLEAGUE, Rules, State
from file_sync.user_files import OwnFiles
from tenancy.identity import Principal
from tenantry_local.parts.aws import FILES_BUCKET

from tests.integration.file_sync.conftest import A, B, Stage
from tests.support.file_sync import DOCUMENT_BYTES

ANNA, BEN = f"anna@{A}.example", f"ben@{A}.example"
DORA = f"boss@{A}.example"
"""An administrator of the tenant."""


@pytest.fixture
async def ben(stage: Stage) -> str:
    """Return the account of a colleague of Anna's."""
    return await stage.person(BEN)


async def texts(stage: Stage, word: str) -> list[str]:
    """Return what Anna finds."""
    return sorted(each["text"] for each in await stage.search(ANNA, word) if word in each["text"])


async def own(stage: Stage, email: str) -> dict[str, State]:
    """Return what a person is told of their files, by name and time."""
    tenant = stage.replica.registry.get(A)
    assert tenant
    files = OwnFiles(
        stage.replica.source,
        stage.replica.gateway,
        stage.replica.document_owners,
        stage.replica.atlas,
        Rules(DOCUMENT_BYTES, FILES_BUCKET),
    )
    person = Principal(tenant, stage.subjects[email], email, admin=False)
    listed = await files.listed(person, stage.tokens[email], None)
    return {each.file.id: each.verdict.state for each in listed}


async def test_c11_a_reset_by_a_colleague_loses_no_document(
    stage: Stage, anna: str, ben: str, word: str
) -> None:
    annas = stage.give(anna, "annas.txt", f"{word} of Anna.", A)
    bens = stage.give(ben, "bens.txt", f"{word} of Ben.", A)
    await stage.settle(A)
    stage.owui.reset(stage.knowledge(A), by=ben)
    worked = await stage.settle(A)
    assert stage.keys(A) == [stage.key(annas, "annas.txt")]
    assert await texts(stage, word) == [f"{word} of Anna."]
    assert worked.plan.counts[State.KEPT] == 1
    assert await own(stage, ANNA) == {annas: State.KEPT}
    assert bens not in await own(stage, BEN)


async def test_c11_only_owner_and_administrator_remove_a_document_with_its_entry(
    stage: Stage, anna: str, ben: str, word: str
) -> None:
    dora = await stage.person(DORA)
    stranger = await stage.person(f"eve@{B}.example")
    file_id = stage.give(anna, "plan.txt", f"{word}.", A)
    await stage.settle(A)
    for who in ("", ben, stranger):
        stage.owui.take_out(file_id, stage.knowledge(A), by=who)
        await stage.settle(A)
        assert stage.keys(A) == [stage.key(file_id, "plan.txt")], who
        assert await own(stage, ANNA) == {file_id: State.KEPT}
        stage.owui.put_in(file_id, stage.knowledge(A))
        await stage.settle(A)
    for who in (dora, anna):
        stage.owui.take_out(file_id, stage.knowledge(A), by=who)
        await stage.settle(A)
        assert stage.keys(A) == []
        assert await texts(stage, word) == []
        stage.owui.put_in(file_id, stage.knowledge(A))
        await stage.settle(A)
        assert await texts(stage, word) == [f"{word}."]


async def test_a_deleted_chat_takes_what_was_only_sent_there(stage: Stage, anna: str) -> None:
    sent = stage.owui.upload(anna, "sent.txt", b"Tide.")
    chat = stage.owui.send(anna, sent, f"tenant-{A}.finance")
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(sent, "sent.txt")]
    stage.owui.execute("delete from chat where id = %s", chat)
    await stage.settle(A)
    assert stage.keys(A) == []


async def test_c11_a_colleagues_name_is_refused_with_a_sentence(
    stage: Stage, anna: str, ben: str, word: str
) -> None:
    annas = stage.give(anna, "plan.txt", f"{word} of Anna.", A)
    await stage.settle(A)
    bens = stage.give(ben, "plan.txt", f"{word} of Ben.", A)
    sent = stage.owui.upload(ben, "plan.txt", f"{word} in a chat.".encode())
    stage.owui.send(ben, sent, f"tenant-{A}.finance")
    worked = await stage.settle(A)
    assert stage.keys(A) == [stage.key(annas, "plan.txt")]
    assert await texts(stage, word) == [f"{word} of Anna."]
    assert {worked.plan.verdicts[each].reason for each in (bens, sent)} == {COLLEAGUE}
    assert await own(stage, BEN) == {bens: State.REFUSED, sent: State.REFUSED}
    assert await own(stage, ANNA) == {annas: State.READY}
    stage.owui.delete(annas)
    stage.owui.delete(sent)
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(bens, "plan.txt")]


@pytest.mark.parametrize("way", ["knowledge", "chat"])
async def test_c13_a_new_version_replaces_the_old_one(stage: Stage, anna: str, word: str, way: str) -> None:
    def give(text: str) -> str:
        if way == "knowledge":
            return stage.give(anna, "price.txt", text, A)
        file_id = stage.owui.upload(anna, "price.txt", text.encode())
        stage.owui.send(anna, file_id, f"tenant-{A}.finance")
        return file_id

    old = give(f"{word} costs 10 crowns.")
    stage.owui.age(old, 60)
    await stage.settle(A)
    new = give(f"{word} costs 20 crowns.")
    worked = await stage.settle(A)
    assert worked.settled
    assert stage.keys(A) == [stage.key(new, "price.txt")]
    assert await texts(stage, word) == [f"{word} costs 20 crowns."]
    assert await own(stage, ANNA) == {old: State.REPLACED, new: State.READY}
    calls = stage.n8n.calls
    assert not (await stage.replica.run(A)).plan.actions
    assert stage.n8n.calls == calls
    stage.owui.delete(new)
    await stage.settle(A)
    assert await texts(stage, word) == [f"{word} costs 10 crowns."]


async def test_c13_a_new_version_that_cannot_be_read_leaves_the_old_one(
    stage: Stage, anna: str, word: str
) -> None:
    old = stage.give(anna, "price.txt", f"{word} costs 10 crowns.", A)
    stage.owui.age(old, 60)
    await stage.settle(A)
    bad = stage.owui.upload(anna, "price.txt", b"MZ\x90\x00 a program")
    stage.owui.put_in(bad, stage.knowledge(A))
    await stage.settle(A)
    assert await texts(stage, word) == [f"{word} costs 10 crowns."]
    assert await own(stage, ANNA) == {old: State.READY, bad: State.FAILED}
    new = stage.give(anna, "price.txt", f"{word} costs 20 crowns.", A)
    stage.owui.age(bad, 30)
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(new, "price.txt")]
    assert await texts(stage, word) == [f"{word} costs 20 crowns."]
