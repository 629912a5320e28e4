"""Detection of a file's format by its content.

The name decides only where the content is ambiguous: Markdown and CSV are text, and a text may quote an
e-mail. A file whose name contradicts its content, such as a ``.pdf`` that is no PDF, is refused.
"""

import re
import zipfile
import zlib
from enum import StrEnum
from pathlib import PurePosixPath

from ..problems import DocumentEmpty, DocumentUnreadable, DocumentUnsupported
from .archives import open_archive

__all__ = ["Format", "sniff"]


class Format(StrEnum):
    """Supported formats; the value is the name that people use."""

    TEXT = "text"
    MARKDOWN = "Markdown"
    HTML = "HTML"
    CSV = "CSV"
    MAIL = "e-mail"
    PDF = "PDF"
    DOCX = "DOCX"
    PPTX = "PPTX"
    XLSX = "XLSX"

    @property
    def media_type(self) -> str:
        """Media type under which the object is stored."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Format.TEXT: "text/plain; charset=utf-8",
    Format.MARKDOWN: "text/markdown; charset=utf-8",
    Format.HTML: "text/html",
    Format.CSV: "text/csv; charset=utf-8",
    Format.MAIL: "message/rfc822",
    Format.PDF: "application/pdf",
    Format.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    Format.PPTX: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

_FORMATS_BY_SUFFIX = {
    ".txt": Format.TEXT,
    ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN,
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".eml": Format.MAIL,
    ".pdf": Format.PDF,
    ".docx": Format.DOCX,
    ".pptx": Format.PPTX,
    ".xlsx": Format.XLSX,
}
"""Format that a file name declares. For any other suffix the content decides."""

_NAMES = list(Format)
_SUPPORTED = f"Send {', '.join(_NAMES[:-1])} or {_NAMES[-1]}."

_TEXTUAL = frozenset({Format.TEXT, Format.HTML, Format.MAIL})
"""Formats that detection by content returns for text."""

_DECIDED_BY_NAME = frozenset({Format.TEXT, Format.MARKDOWN, Format.HTML, Format.CSV})
"""Formats that the name of a text may declare."""

_HTML_START = re.compile(
    # A comment's content can end at one position only, so many comments cause no backtracking.
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MAIN_PARTS = {
    b"wordprocessingml.document.main+xml": Format.DOCX,
    b"presentationml.presentation.main+xml": Format.PPTX,
    b"spreadsheetml.sheet.main+xml": Format.XLSX,
}
_MAIL_FIELD = re.compile(rb"([!-9;-~]+):")
_MAIL_FIELDS = frozenset(
    {b"date", b"delivered-to", b"dkim-signature", b"from", b"message-id", b"mime-version", b"received"}
    | {b"return-path"}
)
"""Header fields of which an e-mail has at least two: ``From`` and ``Date`` are mandatory."""

_HEAD_BYTES = 4096
"""Bytes of a file that are searched for the start of HTML."""

_MAIL_HEAD_BYTES = 64 * 1024
"""Bytes of a file that are searched for header fields: signatures and ``Received`` may come first."""


def sniff(filename: str, content: bytes) -> Format:
    """Return the format of a file.

    Raises
    ------
    DocumentEmpty
        The file is empty.
    DocumentUnsupported
        The file's format is not supported, or differs from the format that the name declares.
    DocumentUnreadable
        The file begins like an archive but is damaged.
    """
    if not content.strip():
        raise DocumentEmpty("The file is empty.")
    detected = _detect_by_content(content)
    declared = _FORMATS_BY_SUFFIX.get(PurePosixPath(filename).suffix.lower())
    if declared in (None, detected):
        return detected
    if detected is Format.HTML and declared in (Format.TEXT, Format.CSV):
        return Format.HTML  # a saved web page: as plain text, its scripts would be indexed
    if detected in _TEXTUAL and declared in _DECIDED_BY_NAME:
        return declared
    raise DocumentUnsupported(
        f"The file is named as {declared}, but its content is {detected}. Rename it or send the right one."
    )


def _detect_by_content(content: bytes) -> Format:
    if content.startswith(b"%PDF-"):
        return Format.PDF
    if content.startswith(b"PK\x03\x04"):
        return _detect_in_archive(content)
    if content.startswith(_OLE):
        raise DocumentUnsupported(
            "The file is an old or a password-protected Office file. Save it as a plain DOCX, PPTX or XLSX."
        )
    head = content[:_HEAD_BYTES]
    if not content.startswith(_UTF16_MARKS) and _BINARY.search(content):
        raise DocumentUnsupported(f"The file is binary, and its format is not supported. {_SUPPORTED}")
    if _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")):
        return Format.HTML
    return Format.MAIL if _is_mail(content[:_MAIL_HEAD_BYTES]) else Format.TEXT


def _is_mail(head: bytes) -> bool:
    """Return True if a text begins with header fields of an e-mail and nothing else."""
    fields = set()
    for line in head.splitlines(keepends=True):
        field = _MAIL_FIELD.match(line)
        if field:
            fields.add(field[1].lower())
        elif not line.strip():
            break
        # A line that is neither a continuation nor truncated is no header.
        elif not line.startswith((b" ", b"\t")) and line.endswith(b"\n"):
            return False
    return len(fields & _MAIL_FIELDS) > 1


def _detect_in_archive(content: bytes) -> Format:
    try:
        with open_archive(content) as archive, archive.open("[Content_Types].xml") as part:
            # The read is limited, because the member may declare a small size and unpack to gigabytes.
            types = part.read(1024 * 1024)
    except KeyError:
        types = b""
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as exc:
        raise DocumentUnreadable("The file begins like an Office file but is cut off or damaged.") from exc
    for main_part, format_ in _MAIN_PARTS.items():
        if main_part in types:
            return format_
    raise DocumentUnsupported(f"The file is an archive, but not DOCX, PPTX or XLSX. {_SUPPORTED}")
