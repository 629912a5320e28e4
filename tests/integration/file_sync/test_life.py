"""A file's life, on the real Postgres, S3, Keycloak, gateway and index; n8n is a pass-through."""

import base64
import hashlib

from file_sync.planner.plan import State
from starlette.responses import Response
from tenancy.names import document_id_for_file
from tenantry_local.parts.aws import BUCKET

from tests.integration.file_sync.conftest import A, B, Stage

ANNA, BOB = f"anna@{A}.example", f"bob@{B}.example"


async def test_a_file_becomes_a_document_that_is_found(stage: Stage, anna: str, word: str) -> None:
    file_id = stage.give(anna, "plan.txt", f"The {word} budget is $5,000,000.", A)
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(file_id, "plan.txt")]
    assert await stage.states(A) == {"plan.txt": "ready"}
    (passage,) = await stage.search(ANNA, word)
    assert (passage["filename"], passage["personaId"]) == ("plan.txt", "finance")
    head = stage.s3.head_object(Bucket=BUCKET, Key=f"tenant-{A}/{stage.key(file_id, 'plan.txt')}")
    digest = hashlib.sha256(f"The {word} budget is $5,000,000.".encode()).digest()
    assert head["Metadata"]["sha256"] == digest.hex()
    assert head["Metadata"]["owner"] == stage.subjects[ANNA]
    assert head["Metadata"]["open-webui-file"] == file_id
    assert head["ServerSideEncryption"] == "AES256"
    assert head["ContentType"] == "text/plain"
    assert base64.b64encode(digest).decode()


async def test_a_second_comparison_does_nothing(stage: Stage, anna: str) -> None:
    stage.give(anna, "plan.txt", "Tide at noon.", A)
    await stage.settle(A)
    calls = stage.n8n.calls
    worked = await stage.replica.run(A)
    assert not worked.plan.actions
    assert stage.n8n.calls == calls


async def test_what_is_on_its_way_into_a_knowledge_base_need_not_arrive_there(
    stage: Stage, anna: str
) -> None:
    pending = stage.owui.upload(anna, "pending.txt", b"Tide.", knowledge_id=stage.knowledge(A))
    failed = stage.owui.upload(anna, "failed.txt", b"Tide.", knowledge_id=stage.knowledge(A, "hr"))
    stage.owui.processed(failed, "failed")
    left = stage.owui.upload(anna, "left.txt", b"Tide.", knowledge_id=stage.knowledge(A))
    stage.owui.processed(left)
    await stage.settle(A)
    assert sorted(stage.keys(A)) == [
        stage.key(pending, "pending.txt"),
        stage.key(failed, "failed.txt", "hr"),
    ]


async def test_what_was_sent_to_a_persona_is_its_knowledge(stage: Stage, anna: str) -> None:
    sent = stage.owui.upload(anna, "sent.txt", b"Tide.")
    stage.owui.send(anna, sent, f"tenant-{A}.hr")
    stage.owui.upload(anna, "attached-to-nothing.txt", b"Tide.")
    elsewhere = stage.owui.upload(anna, "elsewhere.txt", b"Tide.")
    stage.owui.send(anna, elsewhere, "some-other-model")
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(sent, "sent.txt", "hr")]


async def test_nobody_makes_somebody_elses_file_known_by_sending_it(stage: Stage, anna: str) -> None:
    colleague = await stage.person(f"carl@{A}.example")
    private = stage.owui.upload(anna, "private.txt", b"Tide.")
    stage.owui.send(colleague, private, f"tenant-{A}.hr")
    stage.owui.send(anna, private, f"tenant-{A}.hr", chat_of=colleague)
    await stage.settle(A)
    assert stage.keys(A) == []


async def test_a_renamed_file_is_found_under_its_new_name_only(stage: Stage, anna: str, word: str) -> None:
    file_id = stage.give(anna, "old.txt", f"A {word}.", A)
    await stage.settle(A)
    stage.owui.rename(file_id, "new.txt")
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(file_id, "new.txt")]
    assert [each["filename"] for each in await stage.search(ANNA, word)] == ["new.txt"]


async def test_a_file_that_moves_to_another_persona_leaves_the_first(
    stage: Stage, anna: str, word: str
) -> None:
    file_id = stage.give(anna, "plan.txt", f"A {word}.", A)
    await stage.settle(A)
    stage.owui.take_out(file_id, stage.knowledge(A))
    stage.owui.put_in(file_id, stage.knowledge(A, "hr"))
    await stage.settle(A)
    assert stage.keys(A) == [stage.key(file_id, "plan.txt", "hr")]
    assert [each["personaId"] for each in await stage.search(ANNA, word)] == ["hr"]
    assert not [each for each in await stage.search(ANNA, word, "finance") if word in each["text"]]


async def test_a_changed_file_replaces_what_was_found(stage: Stage, anna: str, word: str) -> None:
    file_id = stage.give(anna, "plan.txt", f"Before: {word}.", A)
    await stage.settle(A)
    stage.owui.change(file_id, f"After: {word}.".encode())
    await stage.settle(A)
    assert [each["text"] for each in await stage.search(ANNA, word)] == [f"After: {word}."]


async def test_a_digest_that_the_browser_made_up_costs_a_look_and_nothing_else(
    stage: Stage, anna: str
) -> None:
    file_id = stage.owui.upload(anna, "plan.txt", b"Tide.", file_hash="0" * 64)
    stage.owui.put_in(file_id, stage.knowledge(A))
    await stage.replica.run(A)
    calls = stage.n8n.calls
    worked = await stage.replica.run(A)
    assert worked.settled
    assert stage.n8n.calls == calls
    assert await stage.states(A) == {"plan.txt": "ready"}


async def test_a_deleted_file_is_gone_from_bucket_and_index(stage: Stage, anna: str, word: str) -> None:
    before = await stage.points(A)
    file_id = stage.give(anna, "plan.txt", f"A {word}.", A)
    await stage.settle(A)
    stage.owui.delete(file_id)
    await stage.settle(A)
    assert stage.keys(A) == []
    assert await stage.points(A) == before


async def test_a_document_that_is_no_good_says_why_and_is_not_tried_again(stage: Stage, anna: str) -> None:
    file_id = stage.owui.upload(anna, "setup.pdf", b"MZ\x90\x00 a renamed program")
    stage.owui.put_in(file_id, stage.knowledge(A))
    await stage.settle(A)
    calls = stage.n8n.calls
    worked = await stage.replica.run(A)
    assert stage.n8n.calls == calls
    verdict = worked.plan.verdicts[file_id]
    assert verdict.state is State.FAILED
    assert verdict.reason
    assert "binary" in verdict.reason


async def test_a_file_whose_size_was_made_up_is_measured(stage: Stage, anna: str) -> None:
    large = stage.owui.upload(anna, "large.txt", b"x" * 1_000_001, size=1)
    empty = stage.owui.upload(anna, "empty.txt", b"", size=1)
    for file_id in (large, empty):
        stage.owui.put_in(file_id, stage.knowledge(A))
    worked = await stage.replica.run(A)
    assert {each.state for each in worked.plan.verdicts.values()} == {State.REFUSED}
    assert worked.settled
    assert stage.keys(A) == []


async def test_names_of_all_kinds_become_documents(stage: Stage, anna: str) -> None:
    names = ["x" * 5000 + ".txt", "../../etc/passwd.txt", "🎉.txt", "a\nb\u202e.txt"]
    for name in names:
        stage.give(anna, name, f"Tide {len(name)}.", A)
    await stage.settle(A)
    listed = sorted(each.rpartition("/")[2] for each in stage.keys(A))
    assert listed == sorted(["x" * 196 + ".txt", ".._.._etc_passwd.txt", "🎉.txt", "a b.txt"])


async def test_one_files_odd_metadata_does_not_stop_the_others(stage: Stage, anna: str) -> None:
    for meta in ('{"size": 5, "data": {"a": "\\u0000"}}', '{"data": "\\ud83d"}', "null", "[]", None):
        file_id = stage.give(anna, f"odd {meta!r}.txt", "Tide.", A)
        stage.owui.execute('update "file" set meta = %s where id = %s', meta, file_id)
    stage.give(anna, "good.txt", "Tide.", A)
    await stage.settle(A)
    assert len(stage.keys(A)) == 6


async def test_while_n8n_is_away_files_are_safe_and_are_indexed_later(stage: Stage, anna: str) -> None:
    stage.n8n.answer = Response(status_code=503, headers={"Retry-After": "30"})
    for number in range(4):
        stage.give(anna, f"{number}.txt", "Tide.", A)
    worked = await stage.replica.run(A)
    assert not worked.settled
    assert set((await stage.states(A)).values()) == {"received"}
    assert len(stage.keys(A)) == 4
    assert stage.replica.work.door.closed_for(B) > 0, "it is away for all"
    stage.n8n.answer = None
    stage.replica.work.door = type(stage.replica.work.door)()
    await stage.settle(A)
    assert set((await stage.states(A)).values()) == {"ready"}


async def test_a_lost_index_is_made_again(stage: Stage, anna: str, word: str) -> None:
    file_id = stage.give(anna, "plan.txt", f"A {word}.", A)
    await stage.settle(A)
    tenant = stage.replica.registry.get(A)
    assert tenant
    vectors = stage.gateway.context.catalog._vectors
    await vectors.remove(tenant, f"owui-{file_id}")
    assert await stage.search(ANNA, word) == [] or all(
        word not in each["text"] for each in await stage.search(ANNA, word)
    )
    await stage.settle(A)
    assert [each["filename"] for each in await stage.search(ANNA, word)] == ["plan.txt"]


async def test_an_emptied_database_does_not_empty_the_bucket(stage: Stage, anna: str) -> None:
    for number in range(21):
        file_id = stage.give(anna, f"{number}.txt", "Tide.", A)
        tenant_key = f"tenant-{A}/{stage.key(file_id, f'{number}.txt')}"
        stage.s3.put_object(Bucket=BUCKET, Key=tenant_key, Body=b"Tide.")
    stage.owui.execute('truncate "file", knowledge_file, chat_file')
    worked = await stage.replica.run(A)
    assert worked.plan.withheld == 21
    assert worked.settled, "it is a person's turn now"
    assert len(stage.keys(A)) == 21
    await stage.decide(A, "release")
    assert not (await stage.replica.run(A)).plan.withheld
    assert stage.keys(A) == []


async def test_an_administrator_rejects_deletions_and_the_documents_stay(
    stage: Stage, anna: str, word: str
) -> None:
    for number in range(21):
        stage.give(anna, f"{number}.txt", f"Tide {number} of {word}.", A)
    await stage.settle(A)
    stage.owui.execute('truncate "file", knowledge_file, chat_file')
    assert (await stage.replica.run(A)).plan.withheld == 21
    await stage.decide(A, "reject")
    await stage.decide(A, "reject")
    assert not (await stage.replica.run(A)).plan.actions, "file-sync has nothing to do with them any more"
    assert len(await stage.search(ANNA, word)) == 20  # most of one search
    assert len(stage.keys(A)) == 21


async def test_what_is_restored_from_the_trash_is_not_deleted_again(
    stage: Stage, anna: str, word: str
) -> None:
    file_id = stage.give(anna, "plan.txt", f"The {word} budget is $5,000,000.", A)
    await stage.settle(A)
    stage.owui.execute('truncate "file", knowledge_file, chat_file')
    await stage.settle(A)
    assert stage.keys(A) == []
    assert not await stage.search(ANNA, word)
    await stage.post(ANNA, f"/v1/documents/{document_id_for_file(file_id)}/restore")
    for _ in range(2):
        await stage.settle(A)
        (passage,) = await stage.search(ANNA, word)
        assert passage["filename"] == "plan.txt"
    assert len(stage.keys(A)) == 1


async def test_new_versions_of_many_files_are_no_mass_deletion(stage: Stage, anna: str, word: str) -> None:
    old = [stage.give(anna, f"{number}.txt", f"Tide {number} of {word}.", A) for number in range(21)]
    await stage.settle(A)
    stage.owui.execute('update "file" set created_at = created_at - 60')
    for number in range(21):
        stage.give(anna, f"{number}.txt", f"Ebb {number} of {word}.", A)
    worked = await stage.settle(A)
    assert not worked.plan.withheld
    left = stage.keys(A)
    assert len(left) == 21
    assert not [key for key in left if any(file_id in key for file_id in old)]
