"""One name in one persona by both ways, Open WebUI and the gateway, on the real S3, gateway and index."""

from itertools import count
from typing import Any

import httpx
import pytest
from file_sync.planner.plan import COLLEAGUE, State
from tenantry_local.parts.aws import BUCKET

from tests.integration.file_sync.conftest import A, Stage
from tests.integration.file_sync.test_kill import once
from tests.integration.file_sync.test_rights import own, texts
from tests.support.file_sync import killed_after

ANNA, BEN, DORA = f"anna@{A}.example", f"ben@{A}.example", f"boss@{A}.example"


@pytest.fixture
async def ben(stage: Stage) -> str:
    """Return the account of a colleague of Anna's."""
    return await stage.person(BEN)


async def call(stage: Stage, email: str, method: str, path: str, **arguments: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stage.tokens[email]}"}
    return await stage.gateway.http.request(method, path, headers=headers, **arguments)


async def upload(
    stage: Stage, email: str, filename: str, text: str, persona_id: str = "finance"
) -> httpx.Response:
    """Upload a file at the gateway."""
    form: dict[str, Any] = {"files": {"file": (filename, text.encode())}, "data": {"personaId": persona_id}}
    return await call(stage, email, "POST", "/v1/documents", **form)


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].rpartition("/")[2]


async def trashed(stage: Stage, email: str) -> list[str]:
    listed = await call(stage, email, "GET", "/v1/trash")
    return [each["documentId"] for each in listed.json()["documents"]]


@pytest.mark.parametrize("is_indexed", [True, False], ids=["ready", "received"])
async def test_c11_a_name_that_came_through_open_webui_is_taken_at_the_gateway(
    stage: Stage, anna: str, ben: str, word: str, *, is_indexed: bool
) -> None:
    await stage.person(DORA)
    annas = stage.give(anna, "plan.txt", f"{word} of Anna.", A)
    if is_indexed:
        await stage.settle(A)
    else:  # as file-sync stores it while n8n is down
        key, owner = f"tenant-{A}/{stage.key(annas, 'plan.txt')}", stage.subjects[ANNA]
        stage.s3.put_object(Bucket=BUCKET, Key=key, Body=b"Anna's.", Metadata={"owner": owner})
        assert await stage.states(A) == {"plan.txt": "received"}
    for who in (BEN, DORA):
        refused = await upload(stage, who, "plan.txt", f"{word} of somebody else.")
        assert problem(refused) == (403, "document-foreign"), refused.text
    own_again = await upload(stage, ANNA, "plan.txt", f"{word} of Anna again.")
    assert problem(own_again) == (409, "document-exists"), own_again.text
    assert "Open WebUI" in own_again.json()["detail"]
    assert stage.keys(A) == [stage.key(annas, "plan.txt")]
    for name, persona_id in (("bens.txt", "finance"), ("plan.txt", "hr")):
        assert (await upload(stage, BEN, name, "Tide.", persona_id)).status_code == 201
    await stage.settle(A)
    assert await texts(stage, word) == [f"{word} of Anna."]


async def test_c11_a_name_that_was_uploaded_at_the_gateway_is_taken_in_open_webui(
    stage: Stage, anna: str, ben: str, word: str
) -> None:
    uploaded = await upload(stage, ANNA, "plan.txt", f"{word} of Anna.")
    assert uploaded.status_code == 201
    bens = stage.give(ben, "plan.txt", f"{word} of Ben.", A)
    sent = stage.owui.upload(ben, "plan.txt", f"{word} in a chat.".encode())
    stage.owui.send(ben, sent, f"tenant-{A}.finance")
    worked = await stage.settle(A)
    assert {worked.plan.verdicts[each].reason for each in (bens, sent)} == {COLLEAGUE}
    assert await own(stage, BEN) == {bens: State.REFUSED, sent: State.REFUSED}
    assert await texts(stage, word) == [f"{word} of Anna."]
    stage.owui.delete(sent)
    removed = await call(stage, ANNA, "DELETE", f"/v1/documents/{uploaded.json()['documentId']}")
    assert removed.status_code == 204
    await stage.settle(A)
    assert await texts(stage, word) == [f"{word} of Ben."]


async def test_c13_a_file_replaces_what_its_person_uploaded_at_the_gateway(
    stage: Stage, anna: str, word: str
) -> None:
    uploaded = await upload(stage, ANNA, "price.txt", f"{word} costs 10 crowns.")
    bad = stage.owui.upload(anna, "price.txt", b"MZ\x90\x00 a program")
    stage.owui.put_in(bad, stage.knowledge(A))
    stage.owui.age(bad, -5)
    await stage.settle(A)
    assert await texts(stage, word) == [f"{word} costs 10 crowns."], "what cannot be read replaces none"
    new = stage.give(anna, "price.txt", f"{word} costs 20 crowns.", A)
    stage.owui.age(new, -10)
    worked = await stage.settle(A)
    assert worked.settled
    assert stage.keys(A) == [stage.key(new, "price.txt")]
    assert await texts(stage, word) == [f"{word} costs 20 crowns."]
    assert await own(stage, ANNA) == {bad: State.REPLACED, new: State.READY}
    assert uploaded.json()["documentId"] in await trashed(stage, ANNA)
    assert not (await stage.replica.run(A)).plan.actions


async def test_c13_a_file_is_not_stored_once_its_person_uploaded_a_newer_one_at_the_gateway(
    stage: Stage, anna: str, word: str
) -> None:
    old = stage.give(anna, "price.txt", f"{word} costs 10 crowns.", A)
    stage.owui.age(old, 60)
    uploaded = await upload(stage, ANNA, "price.txt", f"{word} costs 20 crowns.")
    assert uploaded.status_code == 201
    assert (await stage.settle(A)).settled
    assert await texts(stage, word) == [f"{word} costs 20 crowns."]
    assert await own(stage, ANNA) == {old: State.REPLACED}
    assert stage.n8n.calls == (await calls_after_another_run(stage))
    assert (
        await call(stage, ANNA, "DELETE", f"/v1/documents/{uploaded.json()['documentId']}")
    ).status_code == 204
    await stage.settle(A)
    assert await texts(stage, word) == [f"{word} costs 10 crowns."]


async def calls_after_another_run(stage: Stage) -> int:
    assert not (await stage.replica.run(A)).plan.actions
    return stage.n8n.calls


@pytest.mark.parametrize("who", [ANNA, BEN])
async def test_what_both_ways_in_stored_in_one_moment_is_settled_for_one_owner_and_left_for_two(
    stage: Stage, anna: str, ben: str, word: str, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    file_id = stage.give(anna, "price.txt", f"{word} of the file.", A)
    await stage.settle(A)

    async def none(*_: Any) -> list[Any]:
        return []

    with monkeypatch.context() as patched:
        patched.setattr(stage.gateway.context.documents._objects, "find_files", none)
        assert (await upload(stage, who, "price.txt", f"{word} of the gateway.")).status_code == 201
    stage.owui.age(file_id, 60)
    assert (await stage.settle(A)).settled
    kept = ["gateway"] if who == ANNA else ["file", "gateway"]
    assert await texts(stage, word) == [f"{word} of the {each}." for each in kept]
    again = await upload(stage, BEN, "price.txt", f"{word} of the gateway, again.")
    assert again.status_code == (201 if who == BEN else 403), "what there is has new versions"


async def test_c12_an_older_version_is_not_restored_next_to_a_newer_one(
    stage: Stage, anna: str, word: str
) -> None:
    old = stage.give(anna, "wombat.txt", f"{word} costs 20 crowns.", A)
    stage.owui.age(old, 60)
    await stage.settle(A)
    new = stage.give(anna, "wombat.txt", f"{word} costs 30 crowns.", A)
    await stage.settle(A)
    restore = f"/v1/documents/owui-{old}/restore"
    refused = await call(stage, ANNA, "POST", restore)
    assert problem(refused) == (409, "document-exists"), refused.text
    assert await texts(stage, word) == [f"{word} costs 30 crowns."]
    stage.owui.delete(old)
    stage.owui.delete(new)
    await stage.settle(A)
    assert await texts(stage, word) == []
    assert (await call(stage, ANNA, "POST", restore)).status_code == 201
    refused = await call(stage, ANNA, "POST", f"/v1/documents/owui-{new}/restore")
    assert problem(refused) == (409, "document-exists"), refused.text
    await stage.settle(A)
    assert await texts(stage, word) == [f"{word} costs 20 crowns."]


async def test_c13_killed_after_any_call_of_a_file_that_replaces_an_upload_the_file_is_left(
    stage: Stage, anna: str, word: str
) -> None:
    async def store_and_replace() -> None:
        for _ in range(2):
            await stage.replica.run(A)

    for last in count():
        assert (await upload(stage, ANNA, "plan.txt", f"{word} before.")).status_code == 201
        new = stage.give(anna, "plan.txt", f"{word} after.", A)
        stage.owui.age(new, -60)
        killed = await killed_after(last, stage.replica, store_and_replace)
        await once(stage, word, (new, "plan.txt"))
        assert await texts(stage, word) == [f"{word} after."]
        if not killed:
            break
        stage.owui.delete(new)
        await once(stage, word)
    assert last >= 9, "it died too seldom: list, files, owner, get, put, ingest, list, files, delete"
