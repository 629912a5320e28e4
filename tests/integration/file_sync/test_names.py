"""Tests of a file in Open WebUI and an upload at the gateway with the same name, on the real backends."""

from itertools import count
from typing import Any

import httpx
import pytest
from file_sync.planner.messages import NAME_OF_COLLEAGUE
from file_sync.planner.models import FileState
from tenantry_local.parts.aws import BUCKET

from tests.integration.file_sync.conftest import A, FileSyncHarness
from tests.integration.file_sync.test_kill import check_stored_once
from tests.integration.file_sync.test_rights import list_states, search_texts
from tests.support.file_sync.replica import crash_replica_after

ANNA, BEN, DORA = f"anna@{A}.example", f"ben@{A}.example", f"boss@{A}.example"


@pytest.fixture
async def ben(harness: FileSyncHarness) -> str:
    """Return the account of Ben, a colleague of Anna."""
    return await harness.ensure_person(BEN)


async def call(
    harness: FileSyncHarness, email: str, method: str, path: str, **arguments: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {harness.tokens[email]}"}
    return await harness.gateway.http.request(method, path, headers=headers, **arguments)


async def upload(
    harness: FileSyncHarness, email: str, filename: str, text: str, persona_id: str = "finance"
) -> httpx.Response:
    """Upload a file at the gateway."""
    form: dict[str, Any] = {"files": {"file": (filename, text.encode())}, "data": {"personaId": persona_id}}
    return await call(harness, email, "POST", "/v1/documents", **form)


def get_problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].rpartition("/")[2]


async def list_trash(harness: FileSyncHarness, email: str) -> list[str]:
    listed = await call(harness, email, "GET", "/v1/trash")
    return [each["documentId"] for each in listed.json()["documents"]]


@pytest.mark.parametrize("is_indexed", [True, False], ids=["ready", "received"])
async def test_the_name_of_a_file_in_open_webui_is_reserved_at_the_gateway(
    harness: FileSyncHarness, anna: str, ben: str, unique_word: str, *, is_indexed: bool
) -> None:
    await harness.ensure_person(DORA)
    annas = harness.give(anna, "plan.txt", f"{unique_word} of Anna.", A)
    if is_indexed:
        await harness.sync_until_stable(A)
    else:  # the state in which file-sync stores a document while n8n is down
        key, owner = f"tenant-{A}/{harness.build_key(annas, 'plan.txt')}", harness.subjects[ANNA]
        harness.s3.put_object(Bucket=BUCKET, Key=key, Body=b"Anna's.", Metadata={"owner": owner})
        assert await harness.get_states(A) == {"plan.txt": "received"}
    for who in (BEN, DORA):
        refused = await upload(harness, who, "plan.txt", f"{unique_word} of another person.")
        assert get_problem(refused) == (403, "document-not-owned"), refused.text
    own_again = await upload(harness, ANNA, "plan.txt", f"{unique_word} of Anna again.")
    assert get_problem(own_again) == (409, "document-exists"), own_again.text
    assert "Open WebUI" in own_again.json()["detail"]
    assert harness.list_keys(A) == [harness.build_key(annas, "plan.txt")]
    for name, persona_id in (("bens.txt", "finance"), ("plan.txt", "hr")):
        assert (await upload(harness, BEN, name, "Tide.", persona_id)).status_code == 201
    await harness.sync_until_stable(A)
    assert await search_texts(harness, unique_word) == [f"{unique_word} of Anna."]


async def test_the_name_of_an_upload_at_the_gateway_is_reserved_in_open_webui(
    harness: FileSyncHarness, anna: str, ben: str, unique_word: str
) -> None:
    uploaded = await upload(harness, ANNA, "plan.txt", f"{unique_word} of Anna.")
    assert uploaded.status_code == 201
    bens = harness.give(ben, "plan.txt", f"{unique_word} of Ben.", A)
    sent = harness.owui.upload(ben, "plan.txt", f"{unique_word} in a chat.".encode())
    harness.owui.send_in_chat(ben, sent, f"tenant-{A}.finance")
    result = await harness.sync_until_stable(A)
    assert {result.plan.reports[each].reason for each in (bens, sent)} == {NAME_OF_COLLEAGUE}
    assert await list_states(harness, BEN) == {bens: FileState.REFUSED, sent: FileState.REFUSED}
    assert await search_texts(harness, unique_word) == [f"{unique_word} of Anna."]
    harness.owui.delete_file(sent)
    removed = await call(harness, ANNA, "DELETE", f"/v1/documents/{uploaded.json()['documentId']}")
    assert removed.status_code == 204
    await harness.sync_until_stable(A)
    assert await search_texts(harness, unique_word) == [f"{unique_word} of Ben."]


async def test_a_file_replaces_its_persons_upload_at_the_gateway(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    uploaded = await upload(harness, ANNA, "price.txt", f"{unique_word} costs 10 crowns.")
    bad = harness.owui.upload(anna, "price.txt", b"MZ\x90\x00 a program")
    harness.owui.add_to_knowledge(bad, harness.get_knowledge_id(A))
    harness.owui.backdate(bad, -5)
    await harness.sync_until_stable(A)
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 10 crowns."], (
        "an unreadable file replaces nothing"
    )
    new = harness.give(anna, "price.txt", f"{unique_word} costs 20 crowns.", A)
    harness.owui.backdate(new, -10)
    result = await harness.sync_until_stable(A)
    assert result.is_complete
    assert harness.list_keys(A) == [harness.build_key(new, "price.txt")]
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 20 crowns."]
    assert await list_states(harness, ANNA) == {bad: FileState.REPLACED, new: FileState.READY}
    assert uploaded.json()["documentId"] in await list_trash(harness, ANNA)
    assert not (await harness.replica.run(A)).plan.actions


async def test_a_newer_upload_at_the_gateway_replaces_a_file(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    old = harness.give(anna, "price.txt", f"{unique_word} costs 10 crowns.", A)
    harness.owui.backdate(old, 60)
    uploaded = await upload(harness, ANNA, "price.txt", f"{unique_word} costs 20 crowns.")
    assert uploaded.status_code == 201
    assert (await harness.sync_until_stable(A)).is_complete
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 20 crowns."]
    assert await list_states(harness, ANNA) == {old: FileState.REPLACED}
    assert harness.n8n.calls == (await count_calls_of_next_run(harness))
    assert (
        await call(harness, ANNA, "DELETE", f"/v1/documents/{uploaded.json()['documentId']}")
    ).status_code == 204
    await harness.sync_until_stable(A)
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 10 crowns."]


async def count_calls_of_next_run(harness: FileSyncHarness) -> int:
    assert not (await harness.replica.run(A)).plan.actions
    return harness.n8n.calls


@pytest.mark.parametrize("who", [ANNA, BEN])
async def test_concurrent_uploads_of_one_name_are_merged_only_for_the_same_owner(
    harness: FileSyncHarness, anna: str, ben: str, unique_word: str, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    file_id = harness.give(anna, "price.txt", f"{unique_word} of the file.", A)
    await harness.sync_until_stable(A)

    async def return_none(*_: Any) -> list[Any]:
        return []

    with monkeypatch.context() as patched:
        patched.setattr(harness.gateway.context.documents._objects, "find_files", return_none)
        assert (await upload(harness, who, "price.txt", f"{unique_word} of the gateway.")).status_code == 201
    harness.owui.backdate(file_id, 60)
    assert (await harness.sync_until_stable(A)).is_complete
    kept = ["gateway"] if who == ANNA else ["file", "gateway"]
    assert await search_texts(harness, unique_word) == [f"{unique_word} of the {each}." for each in kept]
    again = await upload(harness, BEN, "price.txt", f"{unique_word} of the gateway, again.")
    assert again.status_code == (201 if who == BEN else 403), "an existing document gets new versions"


async def test_an_older_version_is_not_restored_next_to_a_newer_version(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    old = harness.give(anna, "wombat.txt", f"{unique_word} costs 20 crowns.", A)
    harness.owui.backdate(old, 60)
    await harness.sync_until_stable(A)
    new = harness.give(anna, "wombat.txt", f"{unique_word} costs 30 crowns.", A)
    await harness.sync_until_stable(A)
    restore = f"/v1/documents/owui-{old}/restore"
    refused = await call(harness, ANNA, "POST", restore)
    assert get_problem(refused) == (409, "document-exists"), refused.text
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 30 crowns."]
    harness.owui.delete_file(old)
    harness.owui.delete_file(new)
    await harness.sync_until_stable(A)
    assert await search_texts(harness, unique_word) == []
    assert (await call(harness, ANNA, "POST", restore)).status_code == 201
    refused = await call(harness, ANNA, "POST", f"/v1/documents/owui-{new}/restore")
    assert get_problem(refused) == (409, "document-exists"), refused.text
    await harness.sync_until_stable(A)
    assert await search_texts(harness, unique_word) == [f"{unique_word} costs 20 crowns."]


async def test_killed_after_any_call_a_file_still_replaces_an_upload(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    async def store_and_replace() -> None:
        for _ in range(2):
            await harness.replica.run(A)

    for last in count():
        assert (await upload(harness, ANNA, "plan.txt", f"{unique_word} before.")).status_code == 201
        new = harness.give(anna, "plan.txt", f"{unique_word} after.", A)
        harness.owui.backdate(new, -60)
        killed = await crash_replica_after(last, harness.replica, store_and_replace)
        await check_stored_once(harness, unique_word, (new, "plan.txt"))
        assert await search_texts(harness, unique_word) == [f"{unique_word} after."]
        if not killed:
            break
        harness.owui.delete_file(new)
        await check_stored_once(harness, unique_word)
    assert last >= 9, "too few calls failed: list, files, owner, get, put, ingest, list, files, delete"
