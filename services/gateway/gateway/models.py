"""What flows through the gateway's layers."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Chunk", "Document", "IndexedDocument", "Page", "Passage"]


@dataclass(frozen=True)
class Page:
    """Text of one page; ``number`` counts from 1 and is ``None`` where the format has no pages."""

    text: str
    number: int | None = None


@dataclass(frozen=True)
class Chunk:
    """A piece of a document; ``page`` is the page on which all of it stands, if there are pages."""

    text: str
    page: int | None = None


@dataclass(frozen=True)
class Document:
    """One stored document of a tenant.

    ``created_at`` is when S3 stored this content of it, and ``etag`` S3's name for the content.
    """

    persona_id: str
    document_id: str
    filename: str
    sha256: str
    created_at: datetime
    etag: str = ""


@dataclass(frozen=True)
class IndexedDocument:
    """A document as the index has it: which version of it counts, and how many chunks that has."""

    document: Document
    version: str
    chunks: int


@dataclass(frozen=True)
class Passage:
    """A chunk that was found; ``score`` is its cosine similarity to the query."""

    persona_id: str
    document_id: str
    filename: str
    page: int | None
    chunk: int
    text: str
    score: float
    version: str = ""
