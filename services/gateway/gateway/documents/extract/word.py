"""DOCX: paragraphs and tables in reading order. Headers, footers, comments and pictures are left out."""

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from docx import Document
from docx.table import Table, _Cell

from ...problems import DocumentUnreadable
from ..archives import check_archive
from .blocks import Block, Draft

__all__ = ["docx"]

SPAN = 1000
"""Most columns that a cell may span; Word has 63. python-docx makes an object of each."""

_HEADING = re.compile(r"Heading ([1-9])")


def docx(content: bytes) -> Iterator[Draft]:
    """Yield the one page of a document: its pages only come to be when Word lays it out.

    Raises
    ------
    DocumentRefused
        It is an archive or a table that would hurt.
    """
    check_archive(content)
    document = Document(io.BytesIO(content))
    if any(int(span) > SPAN for span in document.element.xpath("//w:gridSpan/@w:val")):
        raise DocumentUnreadable(f"The DOCX has a table cell that spans more than {SPAN} columns.")
    yield Draft(_blocks(document))


def _blocks(container: Any) -> Iterator[Block]:
    """Yield paragraphs and table rows of a document or a cell."""
    for block in container.iter_inner_content():
        if isinstance(block, Table):
            for number, row in enumerate(block.rows):
                yield Block(_row(row.cells), gap="\n" if number else None)
        else:
            yield Block(block.text, _level(block.style))


def _row(cells: Sequence[_Cell]) -> str:
    # python-docx shows a merged cell once for each column that it spans.
    distinct = {id(cell._tc): cell for cell in cells}.values()  # noqa: SLF001 (its only identity)
    texts = (" ".join(block.text for block in _blocks(cell)) for cell in distinct)
    return " | ".join(" ".join(text.split()) for text in texts)


def _level(style: Any) -> int | None:
    """Return the level of a heading. The file names its style in English, whatever Word shows."""
    name = style.name if style else ""
    if name == "Title":
        return 0
    heading = _HEADING.fullmatch(name or "")
    return int(heading[1]) if heading else None
