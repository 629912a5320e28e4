"""Tests of a file's life cycle, on the real Postgres, S3, Keycloak, gateway and index, with a fake n8n."""

import base64
import hashlib

from file_sync.planner.models import FileState
from starlette.responses import Response
from tenancy.names import derive_file_document_id
from tenantry_local.parts.aws import BUCKET

from tests.integration.file_sync.conftest import A, B, FileSyncHarness

ANNA, BOB = f"anna@{A}.example", f"bob@{B}.example"


async def test_a_file_becomes_a_searchable_document(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    file_id = harness.give(anna, "plan.txt", f"The {unique_word} budget is $5,000,000.", A)
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(file_id, "plan.txt")]
    assert await harness.get_states(A) == {"plan.txt": "ready"}
    (passage,) = await harness.search(ANNA, unique_word)
    assert (passage["filename"], passage["personaId"]) == ("plan.txt", "finance")
    key = f"tenant-{A}/{harness.build_key(file_id, 'plan.txt')}"
    head = harness.s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    digest = hashlib.sha256(f"The {unique_word} budget is $5,000,000.".encode()).digest()
    assert head["Metadata"]["sha256"] == digest.hex()
    assert head["Metadata"]["owner"] == harness.subjects[ANNA]
    assert head["Metadata"]["open-webui-file"] == file_id
    assert head["ServerSideEncryption"] == "AES256"
    assert head["ContentType"] == "text/plain"
    # S3 hashes the checksums of the parts of a multipart upload; there is one part.
    composite = base64.b64encode(hashlib.sha256(digest).digest()).decode()
    assert head["ChecksumSHA256"] == f"{composite}-1", "S3 checked the content"


async def test_a_second_sync_does_nothing(harness: FileSyncHarness, anna: str) -> None:
    harness.give(anna, "plan.txt", "Tide at noon.", A)
    await harness.sync_until_stable(A)
    calls = harness.n8n.calls
    result = await harness.replica.run(A)
    assert not result.plan.actions
    assert harness.n8n.calls == calls


async def test_files_that_open_webui_still_reads_or_could_not_read_are_stored(
    harness: FileSyncHarness, anna: str
) -> None:
    pending = harness.owui.upload(anna, "pending.txt", b"Tide.", knowledge_id=harness.get_knowledge_id(A))
    failed = harness.owui.upload(anna, "failed.txt", b"Tide.", knowledge_id=harness.get_knowledge_id(A, "hr"))
    harness.owui.set_processed(failed, "failed")
    left = harness.owui.upload(anna, "left.txt", b"Tide.", knowledge_id=harness.get_knowledge_id(A))
    harness.owui.set_processed(left)
    await harness.sync_until_stable(A)
    assert sorted(harness.list_keys(A)) == [
        harness.build_key(pending, "pending.txt"),
        harness.build_key(failed, "failed.txt", "hr"),
    ]


async def test_a_file_sent_to_a_persona_is_stored(harness: FileSyncHarness, anna: str) -> None:
    sent = harness.owui.upload(anna, "sent.txt", b"Tide.")
    harness.owui.send_in_chat(anna, sent, f"tenant-{A}.hr")
    harness.owui.upload(anna, "attached-to-nothing.txt", b"Tide.")
    elsewhere = harness.owui.upload(anna, "elsewhere.txt", b"Tide.")
    harness.owui.send_in_chat(anna, elsewhere, "some-other-model")
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(sent, "sent.txt", "hr")]


async def test_a_colleagues_file_is_not_stored_when_it_is_sent(harness: FileSyncHarness, anna: str) -> None:
    colleague = await harness.ensure_person(f"carl@{A}.example")
    private = harness.owui.upload(anna, "private.txt", b"Tide.")
    harness.owui.send_in_chat(colleague, private, f"tenant-{A}.hr")
    harness.owui.send_in_chat(anna, private, f"tenant-{A}.hr", chat_of=colleague)
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == []


async def test_a_renamed_file_is_found_under_its_new_name_only(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    file_id = harness.give(anna, "old.txt", f"A {unique_word}.", A)
    await harness.sync_until_stable(A)
    harness.owui.rename(file_id, "new.txt")
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(file_id, "new.txt")]
    assert [each["filename"] for each in await harness.search(ANNA, unique_word)] == ["new.txt"]


async def test_a_file_that_moves_to_another_persona_leaves_the_first(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    file_id = harness.give(anna, "plan.txt", f"A {unique_word}.", A)
    await harness.sync_until_stable(A)
    harness.owui.remove_from_knowledge(file_id, harness.get_knowledge_id(A))
    harness.owui.add_to_knowledge(file_id, harness.get_knowledge_id(A, "hr"))
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == [harness.build_key(file_id, "plan.txt", "hr")]
    assert [each["personaId"] for each in await harness.search(ANNA, unique_word)] == ["hr"]
    assert not [
        each for each in await harness.search(ANNA, unique_word, "finance") if unique_word in each["text"]
    ]


async def test_changed_content_replaces_the_old_content(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    file_id = harness.give(anna, "plan.txt", f"Before: {unique_word}.", A)
    await harness.sync_until_stable(A)
    harness.owui.replace_content(file_id, f"After: {unique_word}.".encode())
    await harness.sync_until_stable(A)
    assert [each["text"] for each in await harness.search(ANNA, unique_word)] == [f"After: {unique_word}."]


async def test_a_forged_hash_costs_one_check(harness: FileSyncHarness, anna: str) -> None:
    file_id = harness.owui.upload(anna, "plan.txt", b"Tide.", file_hash="0" * 64)
    harness.owui.add_to_knowledge(file_id, harness.get_knowledge_id(A))
    await harness.replica.run(A)
    calls = harness.n8n.calls
    result = await harness.replica.run(A)
    assert result.is_complete
    assert harness.n8n.calls == calls
    assert await harness.get_states(A) == {"plan.txt": "ready"}


async def test_a_deleted_file_leaves_bucket_and_index(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    before = await harness.count_points(A)
    file_id = harness.give(anna, "plan.txt", f"A {unique_word}.", A)
    await harness.sync_until_stable(A)
    harness.owui.delete_file(file_id)
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == []
    assert await harness.count_points(A) == before


async def test_an_unreadable_document_has_a_reason_and_is_not_retried(
    harness: FileSyncHarness, anna: str
) -> None:
    file_id = harness.owui.upload(anna, "setup.pdf", b"MZ\x90\x00 a renamed program")
    harness.owui.add_to_knowledge(file_id, harness.get_knowledge_id(A))
    await harness.sync_until_stable(A)
    calls = harness.n8n.calls
    result = await harness.replica.run(A)
    assert harness.n8n.calls == calls
    report = result.plan.reports[file_id]
    assert report.state is FileState.FAILED
    assert report.reason
    assert "binary" in report.reason


async def test_a_file_with_a_forged_size_is_measured(harness: FileSyncHarness, anna: str) -> None:
    large = harness.owui.upload(anna, "large.txt", b"x" * 1_000_001, size=1)
    empty = harness.owui.upload(anna, "empty.txt", b"", size=1)
    for file_id in (large, empty):
        harness.owui.add_to_knowledge(file_id, harness.get_knowledge_id(A))
    result = await harness.replica.run(A)
    assert {each.state for each in result.plan.reports.values()} == {FileState.REFUSED}
    assert result.is_complete
    assert harness.list_keys(A) == []


async def test_names_of_all_kinds_become_documents(harness: FileSyncHarness, anna: str) -> None:
    names = ["x" * 5000 + ".txt", "../../etc/passwd.txt", "🎉.txt", "a\nb\u202e.txt"]
    for name in names:
        harness.give(anna, name, f"Tide {len(name)}.", A)
    await harness.sync_until_stable(A)
    listed = sorted(each.rpartition("/")[2] for each in harness.list_keys(A))
    assert listed == sorted(["x" * 196 + ".txt", ".._.._etc_passwd.txt", "🎉.txt", "a b.txt"])


async def test_invalid_metadata_of_one_file_does_not_stop_the_others(
    harness: FileSyncHarness, anna: str
) -> None:
    for meta in ('{"size": 5, "data": {"a": "\\u0000"}}', '{"data": "\\ud83d"}', "null", "[]", None):
        file_id = harness.give(anna, f"odd {meta!r}.txt", "Tide.", A)
        harness.owui.execute('update "file" set meta = %s where id = %s', meta, file_id)
    harness.give(anna, "good.txt", "Tide.", A)
    await harness.sync_until_stable(A)
    assert len(harness.list_keys(A)) == 6


async def test_while_n8n_is_down_files_are_stored_and_indexed_later(
    harness: FileSyncHarness, anna: str
) -> None:
    harness.n8n.response = Response(status_code=503, headers={"Retry-After": "30"})
    for number in range(4):
        harness.give(anna, f"{number}.txt", "Tide.", A)
    result = await harness.replica.run(A)
    assert not result.is_complete
    assert set((await harness.get_states(A)).values()) == {"received"}
    assert len(harness.list_keys(A)) == 4
    assert harness.replica.tenant_sync.backoff.get_retry_after(B) > 0, "n8n is unavailable for all tenants"
    harness.n8n.response = None
    harness.replica.tenant_sync.backoff = type(harness.replica.tenant_sync.backoff)()
    await harness.sync_until_stable(A)
    assert set((await harness.get_states(A)).values()) == {"ready"}


async def test_a_lost_index_is_rebuilt(harness: FileSyncHarness, anna: str, unique_word: str) -> None:
    file_id = harness.give(anna, "plan.txt", f"A {unique_word}.", A)
    await harness.sync_until_stable(A)
    tenant = harness.replica.registry.get(A)
    assert tenant
    vectors = harness.gateway.context.catalog._vectors
    await vectors.remove(tenant, f"owui-{file_id}")
    assert await harness.search(ANNA, unique_word) == [] or all(
        unique_word not in each["text"] for each in await harness.search(ANNA, unique_word)
    )
    await harness.sync_until_stable(A)
    assert [each["filename"] for each in await harness.search(ANNA, unique_word)] == ["plan.txt"]


async def test_an_emptied_database_does_not_empty_the_bucket(harness: FileSyncHarness, anna: str) -> None:
    for number in range(21):
        file_id = harness.give(anna, f"{number}.txt", "Tide.", A)
        tenant_key = f"tenant-{A}/{harness.build_key(file_id, f'{number}.txt')}"
        harness.s3.put_object(Bucket=BUCKET, Key=tenant_key, Body=b"Tide.")
    harness.owui.execute('truncate "file", knowledge_file, chat_file')
    result = await harness.replica.run(A)
    assert result.plan.blocked_deletions == 21
    assert result.is_complete, "an administrator must decide now"
    assert len(harness.list_keys(A)) == 21
    await harness.decide(A, "release")
    assert not (await harness.replica.run(A)).plan.blocked_deletions
    assert harness.list_keys(A) == []


async def test_an_administrator_rejects_deletions_and_the_documents_stay(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    for number in range(21):
        harness.give(anna, f"{number}.txt", f"Tide {number} of {unique_word}.", A)
    await harness.sync_until_stable(A)
    harness.owui.execute('truncate "file", knowledge_file, chat_file')
    assert (await harness.replica.run(A)).plan.blocked_deletions == 21
    await harness.decide(A, "reject")
    await harness.decide(A, "reject")
    assert not (await harness.replica.run(A)).plan.actions, "the documents no longer belong to files"
    assert len(await harness.search(ANNA, unique_word)) == 20  # one search returns at most this number
    assert len(harness.list_keys(A)) == 21


async def test_a_document_restored_from_the_trash_is_not_deleted_again(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    file_id = harness.give(anna, "plan.txt", f"The {unique_word} budget is $5,000,000.", A)
    await harness.sync_until_stable(A)
    harness.owui.execute('truncate "file", knowledge_file, chat_file')
    await harness.sync_until_stable(A)
    assert harness.list_keys(A) == []
    assert not await harness.search(ANNA, unique_word)
    await harness.post(ANNA, f"/v1/documents/{derive_file_document_id(file_id)}/restore")
    for _ in range(2):
        await harness.sync_until_stable(A)
        (passage,) = await harness.search(ANNA, unique_word)
        assert passage["filename"] == "plan.txt"
    assert len(harness.list_keys(A)) == 1


async def test_new_versions_of_many_files_are_not_a_mass_deletion(
    harness: FileSyncHarness, anna: str, unique_word: str
) -> None:
    old = [harness.give(anna, f"{number}.txt", f"Tide {number} of {unique_word}.", A) for number in range(21)]
    await harness.sync_until_stable(A)
    harness.owui.execute('update "file" set created_at = created_at - 60')
    for number in range(21):
        harness.give(anna, f"{number}.txt", f"Ebb {number} of {unique_word}.", A)
    result = await harness.sync_until_stable(A)
    assert not result.plan.blocked_deletions
    left = harness.list_keys(A)
    assert len(left) == 21
    assert not [key for key in left if any(file_id in key for file_id in old)]
