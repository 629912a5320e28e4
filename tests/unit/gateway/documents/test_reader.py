"""Documents read in real processes, and what their misfortunes mean for us."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway.documents.formats import Format
from gateway.documents.reader import SMALL_BYTES, DocumentReader, Reading
from gateway.models import Chunk
from gateway.problems import DocumentTooLarge, DocumentUnreadable, DocumentUnsupported

from tests.support.files import long_docx, pdf_file

ENDLESS = b"a" * 20_000_000
"""A word that takes the tokenizer minutes."""

SECONDS = 10.0
"""Enough to start a process on a busy machine."""


@pytest.fixture
async def reader() -> AsyncIterator[DocumentReader]:
    reader = DocumentReader(
        processes=1, seconds=SECONDS, cpu_seconds=60, tokens=360, overlap=54, max_chunks=3
    )
    yield reader
    await reader.close()


def proc(process_id: int, name: str) -> str:
    """Return a file of the kernel's about a process."""
    return Path(f"/proc/{process_id}/{name}").read_text()


async def process_id(reader: DocumentReader) -> int:
    """Return the id of the one process, which is idle."""
    process = reader._idle[-1]
    assert process
    return process.pid


async def test_a_document_is_read(reader: DocumentReader) -> None:
    reading = await reader.read("tenant-a", "a.pdf", pdf_file("One.", "Two."))
    assert reading == Reading(Format.PDF, 2, [Chunk("One.", 1), Chunk("Two.", 2)])


async def test_the_process_is_kept_for_the_next_document(reader: DocumentReader) -> None:
    await reader.read("tenant-a", "a.txt", b"One.")
    first = await process_id(reader)
    await reader.read("tenant-a", "a.txt", b"Two.")
    assert await process_id(reader) == first


async def test_the_process_knows_nothing_of_our_environment(
    reader: DocumentReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_QDRANT_API_KEY", "the-key")
    await reader.read("tenant-a", "a.txt", b"Text.")
    assert "the-key" not in proc(await process_id(reader), "environ")


async def test_a_refusal_crosses_the_process_boundary_with_its_reason(reader: DocumentReader) -> None:
    with pytest.raises(DocumentUnsupported, match="named as PDF, but its content is text"):
        await reader.read("tenant-a", "a.pdf", b"Text.")


async def test_too_many_chunks_are_refused(reader: DocumentReader) -> None:
    with pytest.raises(DocumentTooLarge, match="more than 3 chunks"):
        await reader.read("tenant-a", "a.pdf", pdf_file("1", "2", "3", "4"))


async def test_a_document_that_takes_too_long_is_refused_and_the_next_is_read(reader: DocumentReader) -> None:
    with pytest.raises(DocumentUnreadable, match="longer than 10 s"):
        await reader.read("tenant-a", "a.txt", ENDLESS)
    assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]


async def test_a_document_that_computes_for_too_long_is_refused_and_the_next_is_read() -> None:
    reader = DocumentReader(
        processes=1, seconds=120, cpu_seconds=2, tokens=360, overlap=54, max_chunks=100_000
    )
    try:
        with pytest.raises(DocumentUnreadable, match="more than 2 s of computing time"):
            await reader.read("tenant-a", "a.txt", ENDLESS)
        for _ in range(3):  # each has its own seconds, however long the process lives
            assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]
    finally:
        await reader.close()


async def test_a_small_file_that_unpacks_to_much_work_computes_for_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.documents.reader.SMALL_CPU_SECONDS", 1)
    reader = DocumentReader(
        processes=1, seconds=120, cpu_seconds=60, tokens=360, overlap=54, max_chunks=100_000
    )
    bomb = long_docx(4_000_000)
    assert len(bomb) < SMALL_BYTES
    try:
        with pytest.raises(DocumentUnreadable, match="more than 1 s of computing time"):
            await reader.read("tenant-a", "a.docx", bomb)
    finally:
        await reader.close()


@pytest.mark.parametrize("tenants", [["tenant-a"] * 4, ["tenant-a", "tenant-b"]])
async def test_a_small_document_is_read_while_large_ones_of_others_take_long(tenants: list[str]) -> None:
    reader = DocumentReader(
        processes=2, seconds=120, cpu_seconds=60, tokens=360, overlap=54, max_chunks=100_000
    )
    large = [asyncio.create_task(reader.read(tenant, "a.txt", ENDLESS)) for tenant in tenants]
    try:
        await asyncio.sleep(0)
        small = await reader.read("tenant-c", "a.txt", b"Text.")
        assert small.chunks == [Chunk("Text.")]
        assert not any(task.done() for task in large)
    finally:
        for task in large:
            task.cancel()
        await asyncio.gather(*large, return_exceptions=True)
        await reader.close()


async def test_one_tenants_small_documents_leave_a_process_to_the_others() -> None:
    reader = DocumentReader(
        processes=2, seconds=120, cpu_seconds=60, tokens=360, overlap=54, max_chunks=100_000
    )
    slow = b"x" * SMALL_BYTES
    many = [asyncio.create_task(reader.read("tenant-a", "a.txt", slow)) for _ in range(6)]
    try:
        await asyncio.sleep(0)
        await reader.read("tenant-b", "a.txt", b"Text.")
        assert not all(task.done() for task in many)
        assert reader._places.locked("tenant-a")
        assert not reader._places.locked("tenant-b")
    finally:
        await asyncio.gather(*many)
        await reader.close()


async def test_a_file_of_one_kind_of_character_is_read_like_any_other() -> None:
    # The splitter took the square of its length: a minute of computing time for these.
    reader = DocumentReader(
        processes=1, seconds=200, cpu_seconds=20, tokens=360, overlap=54, max_chunks=100_000
    )
    try:
        reading = await reader.read("tenant-a", "a.txt", ("漢" * 400_000).encode())
    finally:
        await reader.close()
    assert len(reading.chunks) > 1000


async def test_a_document_that_kills_its_reader_is_refused_and_the_next_is_read(
    reader: DocumentReader,
) -> None:
    await reader.read("tenant-a", "a.txt", b"Text.")
    victim = await process_id(reader)
    reading = asyncio.create_task(reader.read("tenant-a", "a.txt", ENDLESS))
    await asyncio.sleep(0)
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(DocumentUnreadable, match="made its reader fail"):
        await reading
    assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]


async def test_memory_is_bounded(reader: DocumentReader) -> None:
    await reader.read("tenant-a", "a.txt", b"Text.")
    limits = proc(await process_id(reader), "limits")
    (line,) = (line for line in limits.splitlines() if line.startswith("Max address space"))
    assert line.split()[3] == str(2 * 1024**3)


async def test_a_caller_who_goes_away_frees_the_reader(reader: DocumentReader) -> None:
    reading = asyncio.create_task(reader.read("tenant-a", "a.txt", ENDLESS))
    await asyncio.sleep(0.2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]
