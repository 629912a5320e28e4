"""Extraction of documents in separate processes with limits on time and memory.

After a crash or an endless loop in such a process only its document is refused. The processes are started on
first use and reused, because a start takes half a second. A process that died or did not answer in time is
replaced.
"""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from servicekit.fair_semaphore import FairSemaphore

from ..models import Chunk
from ..problems import (
    DocumentEmpty,
    DocumentRefused,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
)
from .formats import Format
from .framing import FRAME_HEADER

__all__ = ["SMALL_DOCUMENT_BYTES", "DocumentReader", "ExtractedDocument"]

SMALL_DOCUMENT_BYTES = 256 * 1024
"""Maximum size of a small document. Larger documents leave one of several processes free."""

SMALL_MAX_CPU_SECONDS = 10
"""Limit of CPU time for a small document.

An archive of some kilobytes can contain as much work as a large document, and small documents may use every
process. """

EXIT_TIMEOUT_SECONDS = 5.0
"""Timeout for the exit of a process that has closed its output."""

WRITE_BYTES = 1024 * 1024
"""Bytes of a document that are written to a process in one step of the event loop."""

_PROBLEMS: dict[str, type[DocumentRefused]] = {
    problem.slug: problem
    for problem in (DocumentEmpty, DocumentTooLarge, DocumentUnreadable, DocumentUnsupported)
}


@dataclass(frozen=True)
class ExtractedDocument:
    """Content of a document. ``pages`` is ``None`` if the format has no pages."""

    format: Format
    pages: int | None
    chunks: list[Chunk]


class DocumentReader:
    """Extracts and chunks documents in other processes.

    Tenants take turns, no tenant may use all processes, and one process is reserved for small documents. A
    single process serves all documents in turn.

    Parameters
    ----------
    processes
        Number of processes, and so of documents that are read concurrently; further documents wait.
    seconds
        Timeout for one document.
    cpu_seconds
        Limit of CPU time for one document.
    tokens, overlap
        See :class:`.chunk.Chunker`.
    max_chunks
        Maximum number of chunks of one document.
    """

    def __init__(
        self,
        *,
        processes: int,
        seconds: float,
        cpu_seconds: int,
        tokens: int,
        overlap: int,
        max_chunks: int,
    ) -> None:
        self._seconds = seconds
        self._cpu_seconds = cpu_seconds
        numbers = map(str, (tokens, overlap, max_chunks))
        self._command = [sys.executable, "-m", "gateway.documents.worker", *numbers]
        share = max(processes - 1, 1)
        self._slots = FairSemaphore(processes, per_tenant=share)
        self._large_slots = FairSemaphore(share, per_tenant=share)
        self._idle: list[Process | None] = [None] * processes

    async def read(self, tenant_key: str, filename: str, content: bytes) -> ExtractedDocument:
        """Return the chunks of a tenant's document.

        Raises
        ------
        DocumentRefused
            The document is refused; the subclass and the detail give the reason.
        """
        cpu_seconds = self._cpu_seconds
        if len(content) <= SMALL_DOCUMENT_BYTES:
            cpu_seconds = min(cpu_seconds, SMALL_MAX_CPU_SECONDS)
        async with self._acquire_slot(tenant_key, len(content)):
            return await self._read(filename, content, cpu_seconds)

    async def close(self) -> None:
        """Stop the idle processes. Call this only when no document is being read."""
        while self._idle:
            await _stop(self._idle.pop())

    @asynccontextmanager
    async def _acquire_slot(self, tenant_key: str, size: int) -> AsyncIterator[None]:
        """Reserve a process; large documents leave one process for small documents."""
        if size <= SMALL_DOCUMENT_BYTES:
            async with self._slots.acquire(tenant_key):
                yield
        else:
            async with self._large_slots.acquire(tenant_key), self._slots.acquire(tenant_key):
                yield

    async def _read(self, filename: str, content: bytes, cpu_seconds: int) -> ExtractedDocument:
        header = json.dumps({"filename": filename, "cpuSeconds": cpu_seconds}).encode()
        process = self._idle.pop()
        healthy: Process | None = None
        try:
            process = process or await self._start()
            async with asyncio.timeout(self._seconds):
                reading = await _exchange(process, header, content)
            healthy = process
        except TimeoutError as exc:
            raise DocumentUnreadable(
                f"Reading the file takes longer than {self._seconds:g} s. Split it."
            ) from exc
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            raise DocumentUnreadable(await _explain_exit(process, cpu_seconds)) from exc
        except DocumentRefused:
            healthy = process
            raise
        finally:
            if healthy is None:
                await _stop(process)
            self._idle.append(healthy)
        return reading

    async def _start(self) -> Process:
        # The environment is empty: a process that parses untrusted files must not have the gateway's keys.
        return await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, env={})


async def _exchange(process: Process, header: bytes, content: bytes) -> ExtractedDocument:
    """Send a document to a process and return its reply, both in small pieces.

    No step blocks the event loop for long, however large the document is.

    Raises
    ------
    DocumentRefused
        The process refused the document, with the reason.
    """
    assert process.stdin  # noqa: S101 (a pipe, see _start)
    process.stdin.write(FRAME_HEADER.pack(len(header), len(content)) + header)
    for start in range(0, len(content), WRITE_BYTES):
        process.stdin.write(content[start : start + WRITE_BYTES])
        await process.stdin.drain()
    reply = await _receive(process)
    if "problem" in reply:
        raise _PROBLEMS[reply["problem"]](reply["detail"])
    chunks: list[Chunk] = []
    while len(chunks) < reply["chunks"]:
        chunks += [Chunk(**chunk) for chunk in await _receive(process)]
        await asyncio.sleep(0)
    return ExtractedDocument(Format(reply["format"]), reply["pages"], chunks)


async def _receive(process: Process) -> Any:
    assert process.stdout  # noqa: S101 (a pipe, see _start)
    length, _ = FRAME_HEADER.unpack(await process.stdout.readexactly(FRAME_HEADER.size))
    return json.loads(await process.stdout.readexactly(length))


async def _explain_exit(process: Process | None, cpu_seconds: int) -> str:
    """Return the reason for the death of a process, as a sentence."""
    if process:
        # Do not kill the process yet: asyncio would lose the exit code if the process exits at the same time.
        with suppress(TimeoutError):
            async with asyncio.timeout(EXIT_TIMEOUT_SECONDS):
                await process.wait()
    await _stop(process)
    if process and process.returncode == -signal.SIGXCPU:
        return f"Reading the file takes more than {cpu_seconds} s of CPU time. Split it."
    return "The process that read the file failed."


async def _stop(process: Process | None) -> None:
    if process and process.returncode is None:
        process.kill()
    if process:
        await process.wait()
