"""n8n that does not answer: new files are safe meanwhile, and what it has lost is given to it again."""

import asyncio

import pytest
from file_sync.sync import in_flight_calls

from tests.support.waiting import until

from .conftest import A, Stage


@pytest.fixture(autouse=True)
def impatient(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.n8n.calls = 0
    monkeypatch.setattr(in_flight_calls, "PATIENCE_SECONDS", 0.3)


async def test_new_files_are_stored_while_n8n_does_not_answer_for_old_ones(stage: Stage, anna: str) -> None:
    stage.n8n.loses = 4
    for number in range(4):
        stage.give(anna, f"old-{number}.txt", "Tide.", A)
    async with asyncio.timeout(20):
        assert not (await stage.replica.run(A)).settled
        stage.give(anna, "new.txt", "Ebb.", A)
        await stage.replica.run(A)
    assert len(stage.keys(A)) == 5


async def test_a_document_that_n8n_still_has_is_not_given_to_it_once_more(stage: Stage, anna: str) -> None:
    stage.n8n.loses = 1
    stage.give(anna, "plan.txt", "Tide.", A)
    for _ in range(3):
        assert not (await stage.replica.run(A)).settled
    assert stage.n8n.calls == 1


async def test_a_document_that_n8n_has_lost_is_given_to_it_again(
    stage: Stage, anna: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight_calls, "LOST_SECONDS", 1.0)
    stage.n8n.loses = 1
    stage.give(anna, "plan.txt", "Tide.", A)

    async def is_settled() -> bool:
        return (await stage.replica.run(A)).settled

    await until(is_settled, seconds=20, every=0.1)
    assert await stage.states(A) == {"plan.txt": "ready"}
    assert stage.n8n.calls == 2


async def test_a_call_is_not_waited_for_any_longer_when_its_document_is_found(
    stage: Stage, anna: str
) -> None:
    stage.n8n.loses = 1
    stage.give(anna, "plan.txt", "Tide.", A)
    await stage.replica.run(A)
    work, tenant = stage.replica.work, stage.replica.registry.get(A)
    assert tenant
    (document_id,) = work._calls.documents(A)
    await work._workflow.ingest(tenant, "finance", document_id, "plan.txt")
    async with asyncio.timeout(20):
        await stage.settle(A)
    assert not work._calls.documents(A)
