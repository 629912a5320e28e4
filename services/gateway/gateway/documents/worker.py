"""``python -m gateway.documents.worker``: reads documents for the gateway, in a process of its own.

It has no credentials, bounded memory and bounded computing time, and is killed when a document takes too
long. Requests and replies are frames on standard input and output: a JSON header, then the content.

Request ``{"filename", "cpuSeconds"}`` + the file. Reply ``{"problem", "detail"}``, or
``{"format", "pages", "chunks"}`` with the number of chunks and then frames of ``[{"text", "page",
"heading"}]``, some chunks each.
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

MEMORY_BYTES = 2 * 1024**3
"""Address space of this process: enough for any honest document, and no danger to the gateway's pod."""


CHUNKS = 64
"""Most chunks in one frame, which the gateway decodes in one step."""


def main(arguments: list[str]) -> None:
    """Serve standard input.

    ``arguments`` are the tokens of a chunk and of its overlap, and the most chunks.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold people's text
    # Parsers tell what they stumble over, in logs and in warnings: people's text.
    logging.disable()
    warnings.simplefilter("ignore")
    tokens, overlap, max_chunks = map(int, arguments)
    serve(sys.stdin.buffer, sys.stdout.buffer, Chunker(tokens, overlap), max_chunks)


def serve(requests: BinaryIO, replies: BinaryIO, chunker: Chunker, max_chunks: int) -> None:
    """Answer requests until their stream ends."""
    while lengths := requests.read(FRAME_HEADER.size):
        header_length, content_length = FRAME_HEADER.unpack(lengths)
        header = json.loads(requests.read(header_length))
        content = requests.read(content_length)
        if "cpuSeconds" in header:
            _bound_cpu(header["cpuSeconds"])
        for part in _read(header["filename"], content, chunker, max_chunks):
            reply = json.dumps(part).encode()
            replies.write(FRAME_HEADER.pack(len(reply), 0) + reply)
        replies.flush()


def _bound_cpu(seconds: int) -> None:
    """Let the kernel end this process when it computes for so much longer (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime) + seconds, hard))


def _read(filename: str, content: bytes, chunker: Chunker, max_chunks: int) -> Iterator[Any]:
    """Yield the parts of a reply."""
    try:
        format_, pages = extract(filename, content)
        chunks = chunker.chunk(pages)
        # Refused here and not in the gateway, which would have to hold them all to count them.
        if len(chunks) > max_chunks:
            raise DocumentTooLarge(f"The document makes more than {max_chunks} chunks. Split it.")
    except DocumentRefused as exc:
        yield {"problem": exc.slug, "detail": exc.detail}
        return
    except MemoryError:
        yield {"problem": DocumentUnreadable.slug, "detail": "Reading the file takes too much memory."}
        return
    yield {"format": format_, "pages": pages[-1].number, "chunks": len(chunks)}
    for start in range(0, len(chunks), CHUNKS):
        yield [asdict(chunk) for chunk in chunks[start : start + CHUNKS]]


if __name__ == "__main__":
    main(sys.argv[1:])
