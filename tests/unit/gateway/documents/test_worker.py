"""Tests of the reader protocol within one process. test_reader covers real processes."""

import io
import json
from typing import Any

from gateway.documents.chunk import Chunker
from gateway.documents.framing import FRAME_HEADER
from gateway.documents.worker import serve

from tests.support.documents.files import make_pdf


def exchange(*requests: tuple[str, bytes]) -> list[Any]:
    incoming, outgoing = io.BytesIO(), io.BytesIO()
    for filename, content in requests:
        header = json.dumps({"filename": filename}).encode()
        incoming.write(FRAME_HEADER.pack(len(header), len(content)) + header + content)
    incoming.seek(0)
    serve(incoming, outgoing, Chunker(360, 54), max_chunks=3)
    outgoing.seek(0)
    replies = []
    while lengths := outgoing.read(FRAME_HEADER.size):
        replies.append(json.loads(outgoing.read(FRAME_HEADER.unpack(lengths)[0])))
    return replies


def test_replies_are_in_the_order_of_requests() -> None:
    refused, read, chunks = exchange(("a.pdf", b"no"), ("b.pdf", make_pdf("One.", "", "Three.")))
    assert refused["problem"] == "document-unsupported"
    assert read == {"format": "PDF", "pages": 3, "chunks": 2}
    assert chunks == [
        {"text": "One.", "page": 1, "heading": ""},
        {"text": "Three.", "page": 3, "heading": ""},
    ]


def test_a_reply_for_a_format_without_pages_has_no_page_numbers() -> None:
    reply, chunks = exchange(("a.txt", b"Text."))
    assert reply == {"format": "text", "pages": None, "chunks": 1}
    assert chunks == [{"text": "Text.", "page": None, "heading": ""}]


def test_too_many_chunks_are_refused_before_they_are_sent() -> None:
    (reply,) = exchange(("a.pdf", make_pdf("1", "2", "3", "4")))
    assert reply == {
        "problem": "document-too-large",
        "detail": "The document makes more than 3 chunks. Split it.",
    }
