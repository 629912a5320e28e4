"""What a file is, by its content.

The name is only asked where content cannot tell (Markdown and CSV are text, and an e-mail may be an
example in one), and to notice a contradiction: a file that is named ``.pdf`` and holds something else is
refused, because whoever sent it is mistaken about it.
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
    """The formats that are read; the value is how people call them."""

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
        """The media type under which the object is stored."""
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

_CLAIMS = {
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
"""What a name promises. Any other ending promises nothing, and the content decides."""

_NAMES = list(Format)
_SEND = f"Send {', '.join(_NAMES[:-1])} or {_NAMES[-1]}."

_TEXTUAL = frozenset({Format.TEXT, Format.HTML, Format.MAIL})
"""What text is found to be."""

_TOLD_BY_NAME = frozenset({Format.TEXT, Format.MARKDOWN, Format.HTML, Format.CSV})
"""What a name may say of it that content does not."""

_HTML_START = re.compile(
    # A comment's inside is spelt so that it can end in one place only: no backtracking over many comments.
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
"""Of these an e-mail has two at least: ``From`` and ``Date`` are obligatory, the others usual."""

_HEAD_BYTES = 4096
"""As much of a file is looked at for signs of what it is."""

_MAIL_HEAD_BYTES = 64 * 1024
"""The same for an e-mail, whose first headers are signatures and the way that it went."""


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
    if found is Format.HTML and claimed in (Format.TEXT, Format.CSV):
        return Format.HTML  # a saved web page or an exported one; as text its scripts would be indexed
    if found in _TEXTUAL and claimed in _TOLD_BY_NAME:
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
            "The file is an old or a password-protected Office file. Save it as a plain DOCX, PPTX or XLSX."
        )
    head = content[:_HEAD_BYTES]
    if not content.startswith(_UTF16_MARKS) and _BINARY.search(content):
        raise DocumentUnsupported(f"The file is binary, and of no format that is read. {_SEND}")
    if _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")):
        return Format.HTML
    return Format.MAIL if _is_mail(content[:_MAIL_HEAD_BYTES]) else Format.TEXT


def _is_mail(head: bytes) -> bool:
    """Tell whether text begins with the headers of an e-mail and nothing else."""
    fields = set()
    for line in head.splitlines(keepends=True):
        field = _MAIL_FIELD.match(line)
        if field:
            fields.add(field[1].lower())
        elif not line.strip():
            break
        elif not line.startswith((b" ", b"\t")) and line.endswith(b"\n"):  # neither continued nor cut off
            return False
    return len(fields & _MAIL_FIELDS) > 1


def _by_archive(content: bytes) -> Format:
    try:
        with open_archive(content) as archive, archive.open("[Content_Types].xml") as part:
            # Bounded: the member may claim to be small and unpack to gigabytes.
            types = part.read(1024 * 1024)
    except KeyError:
        types = b""
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as exc:
        raise DocumentUnreadable("The file begins like an Office file but is cut off or damaged.") from exc
    for main_part, format_ in _MAIN_PARTS.items():
        if main_part in types:
            return format_
    raise DocumentUnsupported(f"The file is an archive, and none of DOCX, PPTX and XLSX. {_SEND}")
