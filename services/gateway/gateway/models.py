"""Data models that the gateway's layers share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Self

__all__ = ["Chunk", "Document", "Edition", "Heading", "IndexedDocument", "Page", "Passage"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at position ``start`` of its page's text; level 1 is the highest."""

    title: str
    level: int
    start: int


@dataclass(frozen=True)
class Page:
    """Text of one page; ``number`` starts at 1 and is ``None`` for formats without pages.

    ``headings`` are in text order.
    """

    text: str
    number: int | None = None
    headings: tuple[Heading, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A verbatim part of a document on one page; ``page`` is ``None`` for formats without pages.

    ``heading`` is the path of headings above its first words ("Travel expenses > Meals"), except those that
    ``text`` contains.
    """

    text: str
    page: int | None = None
    heading: str = ""

    @property
    def embedded_text(self) -> str:
        """Text that is embedded: the headings, which a paragraph often depends on, and the text."""
        return f"{self.heading}\n\n{self.text}" if self.heading else self.text


@dataclass(frozen=True)
class Document:
    """One stored document of a tenant.

    ``created_at`` is the time at which this content was ingested. ``etag`` is the content's ETag in S3, empty
    before it is stored.
    """

    persona_id: str
    document_id: str
    filename: str
    sha256: str
    created_at: datetime
    etag: str = ""


@dataclass(frozen=True)
class Edition:
    """A content of a document, cut into chunks.

    ``version`` is a name for it: the same chunks under the same name always have the same version.
    """

    document: Document
    chunks: Sequence[Chunk]
    version: str

    @classmethod
    def of(cls, document: Document, chunks: Sequence[Chunk]) -> Self:
        """Return the edition that these chunks are."""
        digest = blake2b(f"{document.persona_id}/{document.filename}".encode(), digest_size=12)
        for chunk in chunks:
            digest.update(f"\0{chunk.page}\0{chunk.heading}\0{chunk.text}".encode())
        return cls(document, chunks, digest.hexdigest())

    def stored_as(self, etag: str) -> Self:
        """Return the same edition, with S3's name for its content."""
        return replace(self, document=replace(self.document, etag=etag))


@dataclass(frozen=True)
class IndexedDocument:
    """An indexed document: its published version and the number of its chunks."""

    document: Document
    version: str
    chunks: int


@dataclass(frozen=True)
class Passage:
    """A search result; ``score`` is its cosine similarity to the query.

    ``heading`` is the path of headings above it, ``version`` the version of its document.
    """

    persona_id: str
    document_id: str
    filename: str
    page: int | None
    chunk: int
    text: str
    score: float
    version: str = ""
    heading: str = ""
