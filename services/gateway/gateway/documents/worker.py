"""``python -m gateway.documents.worker``: reads documents for the gateway, in a process of its own.

It has no credentials, bounded memory, and is killed when a document takes too long. Requests and replies
are frames on standard input and output: a JSON header, then the content.

Request ``{"filename"}`` + the file; reply ``{"format", "pages", "chunks": [{"text", "page", "heading"}]}``
or ``{"problem", "detail"}``, without content.
"""

import json
import logging
import resource
import sys
import warnings
from dataclasses import asdict
from typing import Any, BinaryIO

from ..problems import DocumentRefused, DocumentTooLarge, DocumentUnreadable
from .chunk import Chunker
from .extract import extract
from .frames import FRAME

__all__ = ["main", "serve"]

MEMORY_BYTES = 2 * 1024**3
"""Address space of this process: enough for any honest document, and no danger to the gateway's pod."""


def main(arguments: list[str]) -> None:
    """Serve standard input; ``arguments`` are tokens of a chunk and of its overlap, and most chunks."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # Parsers tell what they stumble over, in logs and in warnings: people's text.
    logging.disable()
    warnings.simplefilter("ignore")
    tokens, overlap, max_chunks = map(int, arguments)
    serve(sys.stdin.buffer, sys.stdout.buffer, Chunker(tokens, overlap), max_chunks)


def serve(requests: BinaryIO, replies: BinaryIO, chunker: Chunker, max_chunks: int) -> None:
    """Answer requests until their stream ends."""
    while lengths := requests.read(FRAME.size):
        header_length, content_length = FRAME.unpack(lengths)
        header = json.loads(requests.read(header_length))
        content = requests.read(content_length)
        reply = json.dumps(_read(header["filename"], content, chunker, max_chunks)).encode()
        replies.write(FRAME.pack(len(reply), 0) + reply)
        replies.flush()


def _read(filename: str, content: bytes, chunker: Chunker, max_chunks: int) -> dict[str, Any]:
    try:
        format_, pages = extract(filename, content)
        chunks = chunker.chunk(pages)
        # Refused here and not in the gateway, which would have to hold them all to count them.
        if len(chunks) > max_chunks:
            raise DocumentTooLarge(f"The document makes more than {max_chunks} chunks. Split it.")
    except DocumentRefused as exc:
        return {"problem": exc.slug, "detail": exc.detail}
    except MemoryError:
        return {"problem": DocumentUnreadable.slug, "detail": "Reading the file takes too much memory."}
    return {
        "format": format_,
        "pages": pages[-1].number,
        "chunks": [asdict(chunk) for chunk in chunks],
    }


if __name__ == "__main__":
    main(sys.argv[1:])
