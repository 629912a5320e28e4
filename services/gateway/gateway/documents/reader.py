"""Documents read in processes that cannot hurt us: their crash, hunger or endless loop is a refusal.

The processes are started when first needed and kept, since to start one takes half a second. One that
did not answer in time, or died, is replaced.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from typing import Any

from ..models import Chunk
from ..problems import (
    DocumentEmpty,
    DocumentRefused,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
)
from .formats import Format
from .frames import FRAME

__all__ = ["DocumentReader", "Reading"]

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

    Parameters
    ----------
    processes
        How many, and so how many documents at once; further ones wait.
    seconds
        Longest time for one document.
    tokens, overlap
        How to chunk, see :class:`.chunk.Chunker`.
    max_chunks
        Most chunks of one document.
    """

    def __init__(self, *, processes: int, seconds: float, tokens: int, overlap: int, max_chunks: int) -> None:
        self._seconds = seconds
        numbers = map(str, (tokens, overlap, max_chunks))
        self._command = [sys.executable, "-m", "gateway.documents.worker", *numbers]
        self._idle: asyncio.LifoQueue[Process | None] = asyncio.LifoQueue()
        for _ in range(processes):
            self._idle.put_nowait(None)

    async def read(self, filename: str, content: bytes) -> Reading:
        """Return the document's chunks.

        Raises
        ------
        DocumentRefused
            One of its subclasses, with the reason.
        """
        reply = await self._ask(json.dumps({"filename": filename}).encode(), content)
        if "problem" in reply:
            raise _PROBLEMS[reply["problem"]](reply["detail"])
        return Reading(
            format=Format(reply["format"]),
            pages=reply["pages"],
            chunks=[Chunk(**chunk) for chunk in reply["chunks"]],
        )

    async def close(self) -> None:
        """End the idle processes. Nothing may be reading any more."""
        while not self._idle.empty():
            await _end(self._idle.get_nowait())

    async def _ask(self, header: bytes, content: bytes) -> Any:
        process = await self._idle.get()
        healthy: Process | None = None
        try:
            process = process or await self._start()
            async with asyncio.timeout(self._seconds):
                reply = await _exchange(process, header, content)
            healthy = process
        except TimeoutError as exc:
            raise DocumentUnreadable(
                f"Reading the file takes longer than {self._seconds:g} s. Split it."
            ) from exc
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            raise DocumentUnreadable("The file made its reader fail.") from exc
        finally:
            if healthy is None:
                await _end(process)
            self._idle.put_nowait(healthy)
        return json.loads(reply)

    async def _start(self) -> Process:
        # An empty environment: what parses strangers' files shall know no key of ours.
        return await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, env={})


async def _exchange(process: Process, header: bytes, content: bytes) -> bytes:
    assert process.stdin  # noqa: S101 (a pipe, see _start)
    assert process.stdout  # noqa: S101 (likewise)
    process.stdin.write(FRAME.pack(len(header), len(content)) + header)
    process.stdin.write(content)
    await process.stdin.drain()
    length, _ = FRAME.unpack(await process.stdout.readexactly(FRAME.size))
    return await process.stdout.readexactly(length)


async def _end(process: Process | None) -> None:
    if process and process.returncode is None:
        process.kill()
    if process:
        await process.wait()
