"""Fixtures of tests of documents."""

from collections.abc import AsyncIterator

import pytest
from gateway.documents.reader import DocumentReader


@pytest.fixture(scope="package")
async def reader() -> AsyncIterator[DocumentReader]:
    """A reader of documents whose chunks are short. Tests of the reader itself make their own."""
    reader = DocumentReader(processes=1, seconds=20, cpu_seconds=20, tokens=40, overlap=0, max_chunks=100)
    yield reader
    await reader.close()
