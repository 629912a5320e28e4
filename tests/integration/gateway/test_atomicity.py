"""A document is there whole or not at all, whatever runs beside it and wherever an ingest is cut off."""

import asyncio
from typing import Any

import pytest
from gateway.vectors import Vectors
from tenancy.errors import RemoteUnavailable
from tenancy.names import document_id_for

from tests.support.qdrant import count_points

from .conftest import TENANT, World

KEY = f"tenant-{TENANT}"
NAME = "tide-table.txt"
CHUNKS = 6


def edition(number: int) -> bytes:
    """Return a text of several chunks, each of which says which edition it is of."""
    sentence = f"Edition {number} of the tide table of the estuary says high water at noon. "
    return "\n\n".join(sentence * 22 for _ in range(CHUNKS)).encode()


def editions(passages: list[dict[str, Any]]) -> set[str]:
    return {" ".join(passage["text"].split()[:2]) for passage in passages if passage["filename"] == NAME}


async def test_readers_see_one_edition_whole_while_another_takes_its_place(world: World) -> None:
    first = await world.upload(NAME, edition(0))
    chunks = first.json()["chunks"]
    assert chunks >= CHUNKS
    done = asyncio.Event()

    async def replace() -> None:
        for number in range(1, 9):
            assert (await world.upload(NAME, edition(number))).status_code == 201
        done.set()

    async def read() -> list[tuple[set[str], int]]:
        seen = []
        while not done.is_set():
            passages = await world.search("high water in the estuary", topK=50)
            own = [passage for passage in passages if passage["filename"] == NAME]
            seen.append((editions(own), len(own)))
        return seen

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(replace())
        readers = [tasks.create_task(read()) for _ in range(3)]
    seen = [each for reader in readers for each in reader.result()]
    assert len(seen) > 20
    assert {len(names) for names, _ in seen} == {1}, "never two editions, never none"
    assert {count for _, count in seen} == {chunks}, "never a part of one"
    assert editions(await world.search("high water in the estuary", topK=50)) == {"Edition 8"}


@pytest.mark.parametrize("replaced", [False, True], ids=["a new document", "a new edition"])
@pytest.mark.parametrize("cut", [1, 2, 3], ids=lambda cut: f"after {cut} writes")
async def test_an_ingest_that_is_cut_off_shows_nothing_new_and_is_completed_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, cut: int, replaced: bool
) -> None:
    name = f"cut-{cut}-{replaced}.txt"
    if replaced:
        await world.upload(name, edition(100))
    before = await count_points(world.qdrant, KEY)
    shown = f"Edition {100 if replaced else 'none'}"
    monkeypatch.setattr("gateway.vectors.store.BATCH", 2)
    upsert, writes = Vectors._upsert, 0

    async def dying(self: Vectors, *arguments: Any) -> None:
        nonlocal writes
        if writes == cut:
            raise RemoteUnavailable("qdrant", "upsert", "cut off by the test")
        writes += 1
        await upsert(self, *arguments)

    monkeypatch.setattr(Vectors, "_upsert", dying)
    assert (await world.upload(name, edition(200))).status_code == 503
    found = [p for p in await world.search("tide table", topK=50) if p["filename"] == name]
    assert {" ".join(p["text"].split()[:2]) for p in found} == ({shown} if replaced else set())
    assert await count_points(world.qdrant, KEY) > before, "something was left behind"
    monkeypatch.setattr(Vectors, "_upsert", upsert)
    chunks = (await world.upload(name, edition(200))).json()["chunks"]
    found = [p for p in await world.search("tide table", topK=50) if p["filename"] == name]
    assert {" ".join(p["text"].split()[:2]) for p in found} == {"Edition 200"}
    assert await count_points(world.qdrant, KEY) == before + (0 if replaced else chunks), "nothing is left"


async def test_a_deleted_document_is_not_found_from_the_answer_on_even_if_its_chunks_are_still_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "obsolete.txt"
    await world.upload(name, edition(300))
    delete, calls = Vectors._delete, 0

    async def dying(self: Vectors, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RemoteUnavailable("qdrant", "delete", "cut off by the test")
        await delete(self, *arguments)

    monkeypatch.setattr(Vectors, "_delete", dying)
    response = await world.delete(f"/v1/documents/{document_id_for(TENANT, 'finance', name)}")
    assert response.status_code == 503
    assert all(p["filename"] != name for p in await world.search("tide table edition 300", topK=50))
    monkeypatch.setattr(Vectors, "_delete", delete)
    again = await world.delete(f"/v1/documents/{document_id_for(TENANT, 'finance', name)}")
    assert again.status_code == 204, "the same call again completes it"
