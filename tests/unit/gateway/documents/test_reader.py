"""Tests of the document reader with real processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway.documents.formats import Format
from gateway.documents.reader import SMALL_DOCUMENT_BYTES, DocumentReader, ExtractedDocument
from gateway.models import Chunk
from gateway.problems import DocumentTooLarge, DocumentUnreadable, DocumentUnsupported

from tests.support.documents.files import make_long_docx, make_pdf

ENDLESS = b"a" * 20_000_000
"""Text of one word, for which the tokenizer needs many minutes."""

GUARD_SECONDS = 800
"""Limit of time and of CPU time that no document of these tests reaches, however busy the machine is."""

pytestmark = pytest.mark.timeout(900)


def make_reader(
    *, processes: int = 1, cpu_seconds: int = GUARD_SECONDS, max_chunks: int = 100_000
) -> DocumentReader:
    """Return a reader whose documents may take long."""
    return DocumentReader(
        processes=processes,
        seconds=GUARD_SECONDS,
        cpu_seconds=cpu_seconds,
        tokens=360,
        overlap=54,
        max_chunks=max_chunks,
    )


@pytest.fixture
async def reader() -> AsyncIterator[DocumentReader]:
    reader = make_reader(max_chunks=3)
    yield reader
    await reader.close()


def read_proc(process_id: int, name: str) -> str:
    """Return a file of a process in ``/proc``."""
    return Path(f"/proc/{process_id}/{name}").read_text()


async def get_process_id(reader: DocumentReader) -> int:
    """Return the id of the only process, which is idle."""
    process = reader._idle[-1]
    assert process
    return process.pid


async def test_a_document_is_read(reader: DocumentReader) -> None:
    document = await reader.read("tenant-a", "a.pdf", make_pdf("One.", "Two."))
    assert document == ExtractedDocument(Format.PDF, 2, [Chunk("One.", 1), Chunk("Two.", 2)])


async def test_the_process_is_kept_for_the_next_document(reader: DocumentReader) -> None:
    await reader.read("tenant-a", "a.txt", b"One.")
    first = await get_process_id(reader)
    await reader.read("tenant-a", "a.txt", b"Two.")
    assert await get_process_id(reader) == first


async def test_the_process_has_an_empty_environment(
    reader: DocumentReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_QDRANT_API_KEY", "the-key")
    await reader.read("tenant-a", "a.txt", b"Text.")
    assert "the-key" not in read_proc(await get_process_id(reader), "environ")


async def test_a_refusal_has_the_reason_that_the_process_gives(reader: DocumentReader) -> None:
    with pytest.raises(DocumentUnsupported, match="named as PDF, but its content is text"):
        await reader.read("tenant-a", "a.pdf", b"Text.")


async def test_too_many_chunks_are_refused(reader: DocumentReader) -> None:
    with pytest.raises(DocumentTooLarge, match="more than 3 chunks"):
        await reader.read("tenant-a", "a.pdf", make_pdf("1", "2", "3", "4"))


async def test_a_document_that_takes_too_long_is_refused_and_the_next_is_read(reader: DocumentReader) -> None:
    reader._seconds = 1.0
    with pytest.raises(DocumentUnreadable, match="Reading the file takes longer than 1 s"):
        await reader.read("tenant-a", "a.txt", ENDLESS)
    reader._seconds = GUARD_SECONDS
    assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]


async def test_a_document_that_takes_too_much_cpu_time_is_refused_and_the_next_is_read() -> None:
    reader = make_reader(cpu_seconds=2)
    try:
        with pytest.raises(DocumentUnreadable, match="Reading the file takes more than 2 s of CPU time"):
            await reader.read("tenant-a", "a.txt", ENDLESS)
        for _ in range(3):  # the limit is per document, not per process
            assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]
    finally:
        await reader.close()


async def test_a_small_file_has_a_lower_limit_of_cpu_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.documents.reader.SMALL_MAX_CPU_SECONDS", 1)
    reader = make_reader()
    bomb = make_long_docx(4_000_000)
    assert len(bomb) < SMALL_DOCUMENT_BYTES
    try:
        with pytest.raises(DocumentUnreadable, match="more than 1 s of CPU time"):
            await reader.read("tenant-a", "a.docx", bomb)
    finally:
        await reader.close()


@pytest.mark.parametrize("tenants", [["tenant-a"] * 4, ["tenant-a", "tenant-b"]])
async def test_a_small_document_is_read_while_large_documents_of_others_take_long(tenants: list[str]) -> None:
    reader = make_reader(processes=2)
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


async def test_one_tenants_small_documents_do_not_use_all_processes() -> None:
    reader = make_reader(processes=2)
    slow = b"x" * SMALL_DOCUMENT_BYTES
    many = [asyncio.create_task(reader.read("tenant-a", "a.txt", slow)) for _ in range(6)]
    try:
        await asyncio.sleep(0)
        await reader.read("tenant-b", "a.txt", b"Text.")
        assert not all(task.done() for task in many)
        assert reader._slots.is_locked("tenant-a")
        assert not reader._slots.is_locked("tenant-b")
    finally:
        await asyncio.gather(*many)
        await reader.close()


async def test_a_file_of_one_kind_of_character_is_read_like_any_other() -> None:
    # This takes 3 s of CPU time. Without windows the splitter takes quadratic time, over a minute.
    reader = make_reader(cpu_seconds=30)
    try:
        document = await reader.read("tenant-a", "a.txt", ("漢" * 400_000).encode())
    finally:
        await reader.close()
    assert len(document.chunks) > 1000


async def test_a_document_that_kills_its_reader_is_refused_and_the_next_is_read(
    reader: DocumentReader,
) -> None:
    await reader.read("tenant-a", "a.txt", b"Text.")
    victim = await get_process_id(reader)
    reading = asyncio.create_task(reader.read("tenant-a", "a.txt", ENDLESS))
    await asyncio.sleep(0)
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(DocumentUnreadable, match="process that read the file failed"):
        await reading
    assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]


async def test_memory_is_bounded(reader: DocumentReader) -> None:
    await reader.read("tenant-a", "a.txt", b"Text.")
    limits = read_proc(await get_process_id(reader), "limits")
    (line,) = (line for line in limits.splitlines() if line.startswith("Max address space"))
    assert line.split()[3] == str(2 * 1024**3)


async def test_a_cancelled_request_frees_the_reader(reader: DocumentReader) -> None:
    reading = asyncio.create_task(reader.read("tenant-a", "a.txt", ENDLESS))
    await asyncio.sleep(0.2)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]
