"""A document is there whole or not at all, whatever runs beside it and wherever an ingest is cut off."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest
from gateway.vectors import Vectors
from tenancy.errors import RemoteUnavailable
from tenancy.names import document_id_for

from tests.support.qdrant import count_points

from .conftest import TENANT, World

KEY = f"tenant-{TENANT}"
CHUNKS = 6


class Book:
    """A document of several chunks, each of which says which edition it is of; no other is like it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._word = uuid.uuid4().hex
        self.name = f"{self._word}.txt"

    async def publish(self, edition: int) -> httpx.Response:
        sentence = f"Edition {edition} of the tide table {self._word} says high water at noon. "
        text = "\n\n".join(sentence * 15 for _ in range(CHUNKS))
        return await self._world.upload(self.name, text.encode())

    async def read(self) -> list[str]:
        """Return the edition of each chunk that a search finds."""
        found = await self._world.search(f"tide table {self._word}", topK=50)
        return [" ".join(p["text"].split()[:2]) for p in found if p["filename"] == self.name]


@pytest.fixture
def book(world: World) -> Book:
    return Book(world)


async def test_readers_see_one_edition_whole_while_another_takes_its_place(book: Book) -> None:
    chunks = (await book.publish(0)).json()["chunks"]
    assert chunks >= CHUNKS
    done = asyncio.Event()

    async def replace() -> None:
        for number in range(1, 9):
            assert (await book.publish(number)).status_code == 201
        done.set()

    async def read() -> list[list[str]]:
        seen = []
        while not done.is_set():
            seen.append(await book.read())
        return seen

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(replace())
        readers = [tasks.create_task(read()) for _ in range(3)]
    seen = [each for reader in readers for each in reader.result()]
    assert len(seen) >= 6
    assert {len(set(editions)) for editions in seen} == {1}, "never two editions, never none"
    assert {len(editions) for editions in seen} == {chunks}, "never a part of one"
    assert set(await book.read()) == {"Edition 8"}


@pytest.mark.parametrize("replaced", [False, True], ids=["a new document", "a new edition"])
@pytest.mark.parametrize("cut", [1, 2, 3], ids=lambda cut: f"after {cut} writes")
async def test_an_ingest_that_is_cut_off_shows_nothing_new_and_is_completed_by_the_next(
    world: World, book: Book, monkeypatch: pytest.MonkeyPatch, cut: int, replaced: bool
) -> None:
    if replaced:
        await book.publish(100)
    before = await count_points(world.qdrant, KEY)
    monkeypatch.setattr("gateway.vectors.store.BATCH", 2)
    upsert, writes = Vectors._upsert, 0

    async def dying(self: Vectors, *arguments: Any) -> None:
        nonlocal writes
        if writes == cut:
            raise RemoteUnavailable("qdrant", "upsert", "cut off by the test")
        writes += 1
        await upsert(self, *arguments)

    monkeypatch.setattr(Vectors, "_upsert", dying)
    assert (await book.publish(200)).status_code == 503
    assert set(await book.read()) == ({"Edition 100"} if replaced else set())
    assert await count_points(world.qdrant, KEY) > before, "something was left behind"
    monkeypatch.setattr(Vectors, "_upsert", upsert)
    chunks = (await book.publish(200)).json()["chunks"]
    assert set(await book.read()) == {"Edition 200"}
    assert await count_points(world.qdrant, KEY) == before + (0 if replaced else chunks), "nothing is left"


async def test_a_deleted_document_is_not_found_even_while_its_chunks_are_still_there(
    world: World, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    await book.publish(300)
    path = f"/v1/documents/{document_id_for(TENANT, 'finance', book.name)}"
    delete, calls = Vectors._delete, 0

    async def dying(self: Vectors, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RemoteUnavailable("qdrant", "delete", "cut off by the test")
        await delete(self, *arguments)

    monkeypatch.setattr(Vectors, "_delete", dying)
    assert (await world.delete(path)).status_code == 503
    assert await book.read() == []
    monkeypatch.setattr(Vectors, "_delete", delete)
    assert (await world.delete(path)).status_code == 204, "the same call again completes it"
