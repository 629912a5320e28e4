"""Tests of the repair after an interruption at any call, with real bucket, index and Redis.

The process is not killed: from the n-th call on, every call raises. test_kill.py uses SIGKILL.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from itertools import count
from typing import Any

import pytest
from gateway.documents.intents import Intent, IntentKind
from gateway.problems import DocumentBusy, DocumentMissing, DocumentRefused, WritesUnavailable
from gateway.timings import RequestTimings
from tenancy.names import build_ingests_key, build_object_key
from tenancy.tickets import Ticket

from tests.support.faults.crashes import crash_after

from .conftest import NAME, Replica, Replicas


def make_version_text(number: int) -> str:
    """Return a text of six chunks, each of which says its version."""
    sentence = f"Version {number} of the tide table of the estuary says high water at noon. "
    return "\n\n".join(sentence * 15 for _ in range(6))


def list_versions(texts: list[str]) -> set[str]:
    return {" ".join(text.split()[:2]) for text in texts}


IN_CRASHING_WRITE: ContextVar[bool] = ContextVar("in_crashing_write", default=False)
"""True in the tasks of the write that crashes."""


async def crash_write_after(last: int, write: Callable[[], Awaitable[Any]]) -> bool:
    """Write, and crash after ``last`` calls; return False if the write made no further call."""
    token = IN_CRASHING_WRITE.set(True)
    try:
        return await crash_after(
            last,
            write,
            affects=lambda _, operation: operation != "assume-role" and IN_CRASHING_WRITE.get(),
            consequences=(WritesUnavailable,),
        )
    finally:
        IN_CRASHING_WRITE.reset(token)


async def repair_all(replica: Replica, redis_client: Any) -> None:
    """Expire the leases of dead replicas, and sweep until no repair is left."""
    key = build_ingests_key(replica.tenant.id, replica.tenant.uid)
    for document_id, entry in (await redis_client.hgetall(key)).items():
        await redis_client.hset(key, document_id, json.dumps(json.loads(entry) | {"expires": 0}))
    async with asyncio.timeout(120):
        while await redis_client.exists(key):
            await replica.repair.sweep()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("replaced", [False, True], ids=["a new document", "a new version"])
async def test_an_upload_killed_after_any_call_is_completed_or_undone(
    replicas: Replicas, redis_client: Any, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    monkeypatch.setattr("gateway.documents.service.BATCH_SIZE", 2)
    survivor = replicas.make()
    await survivor.upload(make_version_text(0))  # later listings of stored documents take one call
    await survivor.delete()
    completed = 0
    for last in count():
        if replaced:
            await survivor.upload(make_version_text(1))
        dying = replicas.make()
        if not await crash_write_after(last, lambda dying=dying: dying.upload(make_version_text(2))):  # type: ignore[misc]
            break
        await repair_all(survivor, redis_client)
        stored = await survivor.get_content()
        if stored is None:
            assert not replaced, f"after {last} calls"
            assert await survivor.count_points() == 0, f"after {last} calls"
            continue
        expected = "Version 2" if stored == make_version_text(2).encode() else "Version 1"
        assert await survivor.get_state() == "ready", f"after {last} calls"
        texts = await survivor.list_found()
        assert list_versions(texts) == {expected}, f"after {last} calls"
        assert len(texts) == await survivor.count_points(), f"after {last} calls: nothing twice, nothing left"
        completed += expected == "Version 2"
        await survivor.delete()
    assert last >= 8, "an upload needs more calls"
    # Four calls follow the call that stores the object.
    assert completed >= 3, "stored uploads were completed"


async def test_an_ingest_by_ticket_killed_after_any_call_is_completed(
    replicas: Replicas, redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.documents.service.BATCH_SIZE", 2)
    survivor, tenant = replicas.make(), replicas.tenant
    ticket = Ticket(tenant.id, tenant.uid, "finance", survivor.document_id, NAME)
    with_intent = 0
    for last in count():
        await survivor.objects.put(
            tenant, ticket.object_key, make_version_text(3).encode(), media_type="text/plain", owner=""
        )
        dying = replicas.make()
        if not await crash_write_after(
            last,
            lambda dying=dying: dying.service.index_stored(tenant, ticket, RequestTimings()),  # type: ignore[misc]
        ):
            break
        begun = "ingest" in str(await redis_client.hgetall(build_ingests_key(tenant.id, tenant.uid)))
        await repair_all(survivor, redis_client)
        assert await survivor.get_state() == ("ready" if begun else "received"), f"after {last} calls"
        assert list_versions(await survivor.list_found()) == ({"Version 3"} if begun else set())
        with_intent += begun
        await survivor.vectors.remove(tenant, survivor.document_id)
    assert with_intent >= 5


async def test_a_deletion_killed_after_any_call_is_completed_or_never_began(
    replicas: Replicas, redis_client: Any
) -> None:
    survivor = replicas.make()
    completed = 0
    for last in count():
        await survivor.upload(make_version_text(1))
        dying = replicas.make()
        if not await crash_write_after(last, lambda dying=dying: dying.delete()):  # type: ignore[misc]
            break
        begun = "delete" in str(
            await redis_client.hgetall(build_ingests_key(replicas.tenant.id, replicas.tenant.uid))
        )
        await repair_all(survivor, redis_client)
        if begun:
            completed += 1
            assert await survivor.get_content() is None, f"after {last} calls"
            assert await survivor.count_points() == 0, f"after {last} calls"
        else:
            assert await survivor.get_state() == "ready", f"after {last} calls"
    assert completed >= 3


async def test_concurrent_writes_of_a_document_end_with_one_complete_version(
    replicas: Replicas,
) -> None:
    writers = [replicas.make() for _ in range(4)]
    await asyncio.gather(*(writer.upload(make_version_text(number)) for number, writer in enumerate(writers)))
    texts, stored = await writers[0].list_found(), await writers[0].get_content()
    assert stored
    (name,) = list_versions(texts)
    assert stored.decode().startswith(name)
    assert len(texts) == await writers[0].count_points()
    assert await writers[0].get_state() == "ready"


async def test_a_concurrent_write_and_deletion_leave_no_orphaned_points(
    replicas: Replicas,
) -> None:
    one, other = replicas.make(), replicas.make()
    for number in range(4):
        await one.upload(make_version_text(number))
        await asyncio.gather(one.upload(make_version_text(number + 10)), other.delete())
        if await one.get_content() is None:
            assert await one.count_points() == 0
        else:
            assert await one.get_state() == "ready"


async def test_a_writer_that_does_not_get_the_lease_changes_nothing(replicas: Replicas) -> None:
    one, other = replicas.make(), replicas.make(wait_seconds=0.2)
    await one.upload(make_version_text(1))
    async with one.journal.acquire(replicas.tenant, one.document_id):
        with pytest.raises(DocumentBusy):
            await other.upload(make_version_text(2))
        with pytest.raises(DocumentBusy):
            await other.delete()
    assert await one.get_content() == make_version_text(1).encode()
    assert list_versions(await one.list_found()) == {"Version 1"}


async def test_a_failed_document_has_a_reason_until_its_content_changes(
    replicas: Replicas,
) -> None:
    replica, tenant = replicas.make(), replicas.tenant
    ticket = Ticket(tenant.id, tenant.uid, "finance", replica.document_id, NAME)

    async def store(content: bytes) -> None:
        await replica.objects.put(tenant, ticket.object_key, content, media_type="text/plain", owner="")

    await store(b"")
    with pytest.raises(DocumentRefused):
        await replica.service.index_stored(tenant, ticket, RequestTimings())
    entry = await replica.catalog.get(tenant, replica.document_id)
    assert entry.state.value == "failed"
    assert entry.failure
    assert entry.failure.type.endswith("/document-empty")
    await store(b"Not read yet.")
    assert await replica.get_state() == "received", "the failure applies to the earlier content"
    await replica.service.index_stored(tenant, ticket, RequestTimings())
    assert await replica.get_state() == "ready"
    await store(b"")
    assert await replica.get_state() == "received", "the failure is deleted"


async def test_a_late_repair_does_not_restore_a_deleted_document(
    replicas: Replicas, redis_client: Any
) -> None:
    replica, tenant = replicas.make(), replicas.tenant
    await replica.upload(make_version_text(1))
    with suppress(RuntimeError):
        async with replica.journal.acquire(tenant, replica.document_id) as lease:
            await lease.begin(Intent(IntentKind.INGEST))
            raise RuntimeError("interrupted")
    await replica.delete()
    await replica.repair.sweep()
    assert not await redis_client.exists(build_ingests_key(tenant.id, tenant.uid))
    with pytest.raises(DocumentMissing):
        await replica.get_state()
    assert await replica.count_points() == 0


async def test_a_repair_reads_only_its_own_tenants_object(replicas: Replicas, redis_client: Any) -> None:
    """An entry of one tenant with the document id of another tenant has no effect."""
    replica, world = replicas.make(), replicas.world
    theirs = (await world.upload("theirs.txt", b"The lighthouse keeper is called Ole.")).json()["documentId"]
    for intent in (Intent(IntentKind.INGEST), Intent(IntentKind.DELETE)):
        dying = replicas.make(lease_seconds=0.01)
        lease = await dying.journal._acquire_lease(replicas.tenant, theirs, repairing=False)
        await lease.begin(intent)
        await repair_all(replica, redis_client)
    assert await replica.count_points() == 0
    assert (await world.search("lighthouse keeper", topK=1))[0]["documentId"] == theirs
    key = build_object_key("gw-main", "finance", theirs, "theirs.txt")
    with pytest.raises(ValueError, match="not a document"):
        await replica.service.index_object(replicas.tenant, key, lease, RequestTimings())
