"""Documents read in processes that cannot hurt us: their crash, hunger or endless loop is a refusal.

The processes are started when first needed and kept, since to start one takes half a second. One that
did not answer in time, or died, is replaced.
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

__all__ = ["SMALL_BYTES", "DocumentReader", "Reading"]

SMALL_BYTES = 256 * 1024
"""Larger documents leave one process to the others, if there is more than one."""

SMALL_CPU_SECONDS = 10
"""Most computing time for a small document, whatever larger ones may take.

An archive of some kilobytes can hold as much work as a large document, and small ones may use every process.
"""

END_SECONDS = 5.0
"""Longest wait for the end of a process that has closed its output."""

WRITE_BYTES = 1024 * 1024
"""How much of a document is handed to a process in one step of the event loop."""

_PROBLEMS: dict[str, type[DocumentRefused]] = {
    problem.slug: problem
    for problem in (DocumentEmpty, DocumentTooLarge, DocumentUnreadable, DocumentUnsupported)
}


@dataclass(frozen=True)
class Reading:
    """What a document holds. ``pages`` is ``None`` where its format has none."""

    format: Format
    pages: int | None
    chunks: list[Chunk]


class DocumentReader:
    """Extracts and chunks documents in other processes.

    Tenants have their turn one after the other, none has all processes, and one process is kept for small
    documents; a single process serves all in turn.

    Parameters
    ----------
    processes
        Number of processes, and so of documents that are read concurrently; further ones wait.
    seconds
        Longest time for one document.
    cpu_seconds
        Most computing time for one document.
    tokens, overlap
        How to chunk, see :class:`.chunk.Chunker`.
    max_chunks
        Most chunks of one document.
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
        self._places = FairSemaphore(processes, each=share)
        self._large_places = FairSemaphore(share, each=share)
        self._idle: list[Process | None] = [None] * processes

    async def read(self, tenant_key: str, filename: str, content: bytes) -> Reading:
        """Return the chunks of a tenant's document.

        Raises
        ------
        DocumentRefused
            One of its subclasses, with the reason.
        """
        cpu_seconds = self._cpu_seconds
        if len(content) <= SMALL_BYTES:
            cpu_seconds = min(cpu_seconds, SMALL_CPU_SECONDS)
        async with self._place(tenant_key, len(content)):
            return await self._read(filename, content, cpu_seconds)

    async def close(self) -> None:
        """End the idle processes. Nothing may be reading any more."""
        while self._idle:
            await _end(self._idle.pop())

    @asynccontextmanager
    async def _place(self, tenant_key: str, size: int) -> AsyncIterator[None]:
        """Hold one of the processes for a document of a size."""
        if size <= SMALL_BYTES:
            async with self._places.acquire(tenant_key):
                yield
        else:
            async with self._large_places.acquire(tenant_key), self._places.acquire(tenant_key):
                yield

    async def _read(self, filename: str, content: bytes, cpu_seconds: int) -> Reading:
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
            raise DocumentUnreadable(await _reason(process, cpu_seconds)) from exc
        except DocumentRefused:
            healthy = process
            raise
        finally:
            if healthy is None:
                await _end(process)
            self._idle.append(healthy)
        return reading

    async def _start(self) -> Process:
        # An empty environment: what parses strangers' files shall know no key of ours.
        return await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, env={})


async def _exchange(process: Process, header: bytes, content: bytes) -> Reading:
    """Send a document and return what the process reads in it, piece by piece.

    No step takes long, however large the document is: other requests wait for each.

    Raises
    ------
    DocumentRefused
        The process refused it, with the reason.
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
    return Reading(Format(reply["format"]), reply["pages"], chunks)


async def _receive(process: Process) -> Any:
    assert process.stdout  # noqa: S101 (a pipe, see _start)
    length, _ = FRAME_HEADER.unpack(await process.stdout.readexactly(FRAME_HEADER.size))
    return json.loads(await process.stdout.readexactly(length))


async def _reason(process: Process | None, cpu_seconds: int) -> str:
    """Return the sentence that says why a process died."""
    if process:
        # Not killed yet: asyncio would lose the exit code of a process that ends in the same moment.
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
    await _end(process)
    if process and process.returncode == -signal.SIGXCPU:
        return f"Reading the file takes more than {cpu_seconds} s of computing time. Split it."
    return "The file made its reader fail."


async def _end(process: Process | None) -> None:
    if process and process.returncode is None:
        process.kill()
    if process:
        await process.wait()
