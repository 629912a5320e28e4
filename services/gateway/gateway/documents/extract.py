"""The text of a file, page by page where it has pages.

Runs in a reader process (:mod:`.worker`), because what is read here comes from anybody: a crafted file
may take all memory or never end. Parsers raise whatever they like at a broken file; here it becomes one
of ours, with a reason that the sender can act on.
"""

import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import docx
from docx.table import Table, _Cell
from pypdf import PasswordType, PdfReader
from selectolax.lexbor import LexborHTMLParser

from ..models import Page
from ..problems import (
    DocumentEmpty,
    DocumentRefused,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
)
from .formats import Format, sniff

__all__ = ["extract"]

UNPACKED_BYTES = 512 * 1024 * 1024
"""What a DOCX may unpack to. Zip packs zeros a thousandfold, and a few kilobytes could fill our memory."""

_INVISIBLE_TAGS = ["head", "script", "style", "noscript", "template", "svg", "iframe", "object", "canvas"]
_BLOCK_TAGS = (
    "address, article, aside, blockquote, dd, details, div, dl, dt, fieldset, figcaption, figure, footer, "
    "form, h1, h2, h3, h4, h5, h6, header, hr, li, main, nav, ol, p, pre, section, summary, table, ul"
)
_BREAK, _LINE, _CELL = "\x1d", "\x1e", "\x1f"
"""Separators that no text file holds; they stand for a new block, a new line and a new table cell."""

_HTML_SPACING = [
    (re.compile(r"[^\S\x1d-\x1f]+"), " "),  # white space means nothing in HTML
    (re.compile(r"[ \x1d-\x1f]*\x1d[ \x1d-\x1f]*"), "\n\n"),
    (re.compile(r"[ \x1f]*\x1e[ \x1e\x1f]*"), "\n"),
    (re.compile(r" ?\x1f ?"), " | "),
]


def extract(filename: str, content: bytes) -> tuple[Format, list[Page]]:
    """Return a file's format and its pages; some of them may be without text.

    Raises
    ------
    DocumentRefused
        One of its subclasses, with the reason.
    """
    format_ = sniff(filename, content)
    try:
        pages = _EXTRACTORS[format_](content)
    except (DocumentRefused, MemoryError):
        raise
    except Exception as exc:
        raise DocumentUnreadable(f"The {format_} file is damaged.") from exc
    tidied = [Page(_tidy(page.text), page.number) for page in pages]
    if not any(page.text for page in tidied):
        hint = " A scan must be recognised (OCR) first." if format_ is Format.PDF else ""
        raise DocumentEmpty(f"The {format_} file holds no text.{hint}")
    return format_, tidied


def _text(content: bytes) -> list[Page]:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return [Page(content.decode(encoding))]
    except UnicodeDecodeError as exc:
        raise DocumentUnsupported("The file is not encoded in UTF-8. Save it as UTF-8.") from exc


def _html(content: bytes) -> list[Page]:
    tree = LexborHTMLParser(content, encoding=True)
    title = tree.css_first("head > title")
    heading = title.text(strip=True) if title else ""
    tree.strip_tags(_INVISIBLE_TAGS)
    for node in tree.css(_BLOCK_TAGS):
        node.insert_before(_BREAK)
        node.insert_after(_BREAK)
    for node in tree.css("br, tr"):
        node.insert_after(_LINE)
    for node in tree.css("td, th"):
        node.insert_after(_CELL)
    text = tree.body.text() if tree.body else ""
    if "\ufffd" in text:
        raise DocumentUnsupported("The HTML file is not encoded in what it declares. Save it as UTF-8.")
    for pattern, replacement in _HTML_SPACING:
        text = pattern.sub(replacement, text)
    return [Page(f"{heading}\n\n{text}")]


def _pdf(content: bytes) -> list[Page]:
    reader = PdfReader(io.BytesIO(content))
    # An empty user password only restricts printing and the like: every viewer opens such a file.
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise DocumentUnreadable("The PDF is encrypted. Remove its password and send it again.")
    return [Page(page.extract_text(), number) for number, page in enumerate(reader.pages, start=1)]


def _docx(content: bytes) -> list[Page]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > UNPACKED_BYTES:
        raise DocumentTooLarge(f"The DOCX unpacks to more than {UNPACKED_BYTES // 2**20} MiB.")
    return [Page("\n\n".join(_blocks(docx.Document(io.BytesIO(content)))))]


def _blocks(container: Any) -> Iterator[str]:
    """Yield paragraphs and table rows of a document or a cell, in reading order."""
    for block in container.iter_inner_content():
        is_table = isinstance(block, Table)
        yield "\n".join(_row(row.cells) for row in block.rows) if is_table else block.text


def _row(cells: Sequence[_Cell]) -> str:
    # python-docx shows a merged cell once for each column that it spans.
    distinct = {id(cell._tc): cell for cell in cells}.values()  # noqa: SLF001 (its only identity)
    return " | ".join(" ".join(" ".join(_blocks(cell)).split()) for cell in distinct)


def _tidy(text: str) -> str:
    """Return text in one Unicode form, without control characters, at most one blank line in a row."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufeff]+", " ", text)
    text = re.sub(r"[^\S\n]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


_EXTRACTORS: dict[Format, Callable[[bytes], list[Page]]] = {
    Format.TEXT: _text,
    Format.MARKDOWN: _text,
    Format.HTML: _html,
    Format.PDF: _pdf,
    Format.DOCX: _docx,
}
