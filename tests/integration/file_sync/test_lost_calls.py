"""Tests of an n8n that does not answer: new files are still stored, and lost documents are sent again."""

import asyncio

import pytest
from file_sync.sync import in_flight_calls

from tests.support.timing.waiting import wait_until

from .conftest import A, FileSyncHarness


@pytest.fixture(autouse=True)
def short_wait(harness: FileSyncHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.n8n.calls = 0
    monkeypatch.setattr(in_flight_calls, "WAIT_TIMEOUT_SECONDS", 0.3)


async def test_new_files_are_stored_while_n8n_does_not_answer_for_old_files(
    harness: FileSyncHarness, anna: str
) -> None:
    harness.n8n.lose_next = 4
    for number in range(4):
        harness.give(anna, f"old-{number}.txt", "Tide.", A)
    async with asyncio.timeout(20):
        assert not (await harness.replica.run(A)).is_complete
        harness.give(anna, "new.txt", "Ebb.", A)
        await harness.replica.run(A)
    assert len(harness.list_keys(A)) == 5


async def test_a_document_that_n8n_still_processes_is_not_sent_again(
    harness: FileSyncHarness, anna: str
) -> None:
    harness.n8n.lose_next = 1
    harness.give(anna, "plan.txt", "Tide.", A)
    for _ in range(3):
        assert not (await harness.replica.run(A)).is_complete
    assert harness.n8n.calls == 1


async def test_a_document_that_n8n_lost_is_sent_again(
    harness: FileSyncHarness, anna: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight_calls, "LOST_CALL_AGE_SECONDS", 1.0)
    harness.n8n.lose_next = 1
    harness.give(anna, "plan.txt", "Tide.", A)

    async def is_complete() -> bool:
        return (await harness.replica.run(A)).is_complete

    await wait_until(is_complete, seconds=20, every=0.1)
    assert await harness.get_states(A) == {"plan.txt": "ready"}
    assert harness.n8n.calls == 2


async def test_a_call_is_cancelled_when_its_document_is_ready(harness: FileSyncHarness, anna: str) -> None:
    harness.n8n.lose_next = 1
    harness.give(anna, "plan.txt", "Tide.", A)
    await harness.replica.run(A)
    work, tenant = harness.replica.tenant_sync, harness.replica.registry.get(A)
    assert tenant
    (document_id,) = work._calls.list_document_ids(A)
    await work._workflow.ingest(tenant, "finance", document_id, "plan.txt")
    async with asyncio.timeout(20):
        await harness.sync_until_stable(A)
    assert not work._calls.list_document_ids(A)
