"""Tests of the memory that a reader process needs for crafted and large files."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway.documents.reader import DocumentReader
from gateway.models import Chunk
from gateway.problems import DocumentRefused

from tests.support.documents.attacks import (
    make_bzip2_bomb,
    make_docx_with_false_size,
    make_docx_with_nested_zip,
    make_pdf_bomb,
    make_pdf_of_forms,
    make_xlsx_with_impossible_date,
    make_xlsx_with_rows,
)
from tests.support.documents.files import make_pdf

pytestmark = pytest.mark.timeout(900)

GUARD_SECONDS = 800
"""Limit of time and of CPU time for one document. It only ends a hanging test: on a busy machine the
documents take many times longer than on an idle one, and a reader that is killed has no peak to measure."""


@pytest.fixture
async def reader() -> AsyncIterator[DocumentReader]:
    reader = DocumentReader(
        processes=1,
        seconds=GUARD_SECONDS,
        cpu_seconds=GUARD_SECONDS,
        tokens=360,
        overlap=54,
        max_chunks=10_000,
    )
    yield reader
    await reader.close()


async def get_peak_mebibytes(reader: DocumentReader) -> int:
    """Return the peak of the reader process' resident memory."""
    process = reader._idle[-1]
    assert process, "the process is alive"
    status = await asyncio.to_thread(Path(f"/proc/{process.pid}/status").read_text)
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        pytest.param("a.docx", make_docx_with_false_size(700), id="lying-zip"),
        pytest.param("a.docx", make_bzip2_bomb(500), id="bzip2"),
        pytest.param("a.docx", make_docx_with_nested_zip(300), id="nested-zip"),
        pytest.param("a.pdf", make_pdf_bomb(1000), id="pdf-stream"),
        pytest.param("a.xlsx", make_xlsx_with_rows(b"", b"A1:XFD1048576"), id="declared-size-of-a-sheet"),
    ],
)
async def test_a_decompression_bomb_uses_little_memory(
    reader: DocumentReader, filename: str, content: bytes
) -> None:
    with contextlib.suppress(DocumentRefused):
        await reader.read("tenant-a", filename, content)
    assert await get_peak_mebibytes(reader) < 400
    assert (await reader.read("tenant-a", "a.txt", b"Text.")).chunks == [Chunk("Text.")]


async def test_a_thousand_pages_use_little_memory(reader: DocumentReader) -> None:
    pages = [" ".join(f"Sentence {n} of page {page}." for n in range(100)) for page in range(1000)]
    document = await reader.read("tenant-a", "a.pdf", make_pdf(*pages))
    assert document.pages == 1000
    assert await get_peak_mebibytes(reader) < 512


async def test_warnings_of_parsers_are_not_logged(
    reader: DocumentReader, capfd: pytest.CaptureFixture[str]
) -> None:
    # openpyxl warns about the date and quotes it.
    await reader.read("tenant-a", "a.xlsx", make_xlsx_with_impossible_date())
    await reader.read("tenant-a", "a.pdf", make_pdf_of_forms(9, 10))
    assert capfd.readouterr() == ("", "")
