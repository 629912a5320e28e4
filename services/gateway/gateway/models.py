"""Data models that the gateway's layers share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Self

__all__ = ["Chunk", "Document", "DocumentVersion", "Heading", "IndexedDocument", "Page", "Passage"]


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

    ``heading`` is the path of headings above its first words ("Travel expenses > Meals"), without headings
    that ``text`` contains.
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
    before the content is stored.
    """

    persona_id: str
    document_id: str
    filename: str
    sha256: str
    created_at: datetime
    etag: str = ""


@dataclass(frozen=True)
class DocumentVersion:
    """A content of a document, cut into chunks.

    ``id`` is a digest of the persona, the filename and the chunks.
    """

    document: Document
    chunks: Sequence[Chunk]
    id: str

    @classmethod
    def from_chunks(cls, document: Document, chunks: Sequence[Chunk]) -> Self:
        """Return the version of a document that consists of these chunks."""
        digest = blake2b(f"{document.persona_id}/{document.filename}".encode(), digest_size=12)
        for chunk in chunks:
            digest.update(f"\0{chunk.page}\0{chunk.heading}\0{chunk.text}".encode())
        return cls(document, chunks, digest.hexdigest())

    def replace_etag(self, etag: str) -> Self:
        """Return the same version with the ETag of its content in S3."""
        return replace(self, document=replace(self.document, etag=etag))


@dataclass(frozen=True)
class IndexedDocument:
    """A document in the index: the id of its committed version, and the number of its chunks."""

    document: Document
    version_id: str
    chunks: int


@dataclass(frozen=True)
class Passage:
    """A search result; ``score`` is its cosine similarity to the query.

    ``heading`` is the path of headings above it, ``version_id`` the id of its document's version.
    """

    persona_id: str
    document_id: str
    filename: str
    page: int | None
    chunk: int
    text: str
    score: float
    version_id: str = ""
    heading: str = ""
