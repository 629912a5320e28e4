"""Fixtures for tests of documents."""

from collections.abc import AsyncIterator

import pytest
from gateway.documents.reader import DocumentReader


@pytest.fixture(scope="package")
async def reader() -> AsyncIterator[DocumentReader]:
    """Reader of documents with short chunks. Its time limits only end a hanging test."""
    reader = DocumentReader(processes=1, seconds=250, cpu_seconds=250, tokens=40, overlap=0, max_chunks=100)
    yield reader
    await reader.close()
