"""Reader process of the gateway: ``python -m gateway.documents.worker`` extracts and chunks documents.

The process has no credentials, limited memory and limited CPU time. It is killed when a document takes too
long. Requests and replies are frames on standard input and output: a JSON header, then the content.

A request is ``{"filename", "cpuSeconds"}`` and the file. A reply is ``{"problem", "detail"}``, or
``{"format", "pages", "chunks"}`` with the number of chunks, followed by frames of ``[{"text", "page",
"heading"}]`` with some chunks each.
"""

import json
import logging
import math
import resource
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from ..problems import DocumentRefused, DocumentTooLarge, DocumentUnreadable
from .chunk import Chunker
from .extract import extract
from .framing import FRAME_HEADER

__all__ = ["main", "serve"]

MAX_MEMORY_BYTES = 2 * 1024**3
"""Limit of this process' address space: enough for any regular document, and safe for the gateway's pod."""

CHUNKS_PER_FRAME = 64
"""Maximum number of chunks in one frame, which the gateway decodes in one step."""


def main(arguments: list[str]) -> None:
    """Serve requests on standard input.

    ``arguments`` are the tokens of a chunk and of its overlap, and the maximum number of chunks.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain people's text
    # Logs and warnings of parsers quote people's text.
    logging.disable()
    warnings.simplefilter("ignore")
    tokens, overlap, max_chunks = map(int, arguments)
    serve(sys.stdin.buffer, sys.stdout.buffer, Chunker(tokens, overlap), max_chunks)


def serve(requests: BinaryIO, replies: BinaryIO, chunker: Chunker, max_chunks: int) -> None:
    """Answer requests until the stream ends."""
    while lengths := requests.read(FRAME_HEADER.size):
        header_length, content_length = FRAME_HEADER.unpack(lengths)
        header = json.loads(requests.read(header_length))
        content = requests.read(content_length)
        if "cpuSeconds" in header:
            _limit_cpu(header["cpuSeconds"])
        for part in _read(header["filename"], content, chunker, max_chunks):
            reply = json.dumps(part).encode()
            replies.write(FRAME_HEADER.pack(len(reply), 0) + reply)
        replies.flush()


def _limit_cpu(seconds: int) -> None:
    """Let the kernel kill this process (SIGXCPU) after further seconds of CPU time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime) + seconds, hard))


def _read(filename: str, content: bytes, chunker: Chunker, max_chunks: int) -> Iterator[Any]:
    """Yield the parts of a reply."""
    try:
        format_, pages = extract(filename, content)
        chunks = chunker.chunk(pages)
        # Refuse the document here, so that the gateway need not load all chunks to count them.
        if len(chunks) > max_chunks:
            raise DocumentTooLarge(f"The document makes more than {max_chunks} chunks. Split it.")
    except DocumentRefused as exc:
        yield {"problem": exc.slug, "detail": exc.detail}
        return
    except MemoryError:
        yield {"problem": DocumentUnreadable.slug, "detail": "Reading the file takes too much memory."}
        return
    yield {"format": format_, "pages": pages[-1].number, "chunks": len(chunks)}
    for start in range(0, len(chunks), CHUNKS_PER_FRAME):
        yield [asdict(chunk) for chunk in chunks[start : start + CHUNKS_PER_FRAME]]


if __name__ == "__main__":
    main(sys.argv[1:])
