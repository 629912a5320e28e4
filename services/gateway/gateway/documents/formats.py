"""What a file is, by its content.

The name is only asked where content cannot tell (Markdown is text), and to notice a contradiction: a
file that is named ``.pdf`` and holds something else is refused, because whoever sent it is mistaken
about it.
"""

import io
import re
import zipfile
import zlib
from enum import StrEnum
from pathlib import PurePosixPath

from ..problems import DocumentEmpty, DocumentUnreadable, DocumentUnsupported

__all__ = ["Format", "sniff"]


class Format(StrEnum):
    """The formats that are read; the value is how people call them."""

    TEXT = "text"
    MARKDOWN = "Markdown"
    HTML = "HTML"
    PDF = "PDF"
    DOCX = "DOCX"

    @property
    def media_type(self) -> str:
        """The media type under which the object is stored."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Format.TEXT: "text/plain; charset=utf-8",
    Format.MARKDOWN: "text/markdown; charset=utf-8",
    Format.HTML: "text/html",
    Format.PDF: "application/pdf",
    Format.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}

_CLAIMS = {
    ".txt": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
}
"""What a name promises. Any other ending promises nothing, and the content decides."""

_TEXTUAL = frozenset({Format.TEXT, Format.MARKDOWN, Format.HTML})

_HTML_START = re.compile(
    # A comment's inside is spelt so that it can end in one place only: no backtracking over many comments.
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_WORD_MAIN = b"wordprocessingml.document.main+xml"
_HEAD_BYTES = 4096
"""As much of a file is looked at for signs of what it is."""


def sniff(filename: str, content: bytes) -> Format:
    """Return the format of a file.

    Raises
    ------
    DocumentEmpty
        There is nothing in it.
    DocumentUnsupported
        It is none of the formats that are read, or another one than its name says.
    DocumentUnreadable
        It begins like an archive but is none.
    """
    if not content.strip():
        raise DocumentEmpty("The file is empty.")
    found = _by_content(content)
    claimed = _CLAIMS.get(PurePosixPath(filename).suffix.lower())
    if claimed in (None, found):
        return found
    if found is Format.HTML and claimed is Format.TEXT:
        return Format.HTML  # a saved web page; as text its scripts would be indexed
    if found in _TEXTUAL and claimed in _TEXTUAL:
        return claimed
    raise DocumentUnsupported(
        f"The file is named as {claimed}, but its content is {found}. Rename it or send the right one."
    )


def _by_content(content: bytes) -> Format:
    if content.startswith(b"%PDF-"):
        return Format.PDF
    if content.startswith(b"PK\x03\x04"):
        return _by_archive(content)
    if content.startswith(_OLE):
        raise DocumentUnsupported(
            "The file is an old or a password-protected Office file. Save it as a plain DOCX."
        )
    head = content[:_HEAD_BYTES]
    if not content.startswith(_UTF16_MARKS) and _BINARY.search(content):
        raise DocumentUnsupported(
            "The file is binary, and neither PDF nor DOCX. Send text, Markdown, HTML, PDF or DOCX."
        )
    return Format.HTML if _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")) else Format.TEXT


def _by_archive(content: bytes) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("[Content_Types].xml") as types:
            # Bounded: the member may claim to be small and unpack to gigabytes.
            is_word = _WORD_MAIN in types.read(1024 * 1024)
    except KeyError:
        is_word = False
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as exc:
        raise DocumentUnreadable("The file begins like a DOCX but is cut off or damaged.") from exc
    if not is_word:
        raise DocumentUnsupported(
            "The file is an archive, and no DOCX. Send text, Markdown, HTML, PDF or DOCX."
        )
    return Format.DOCX
