"""Extractor for DOCX: paragraphs and tables in reading order.

Headers, footers, comments and pictures are omitted.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

from docx import Document
from docx.table import Table, _Cell

from ..archives import check_archive
from .blocks import Block, PageBlocks
from .word_hidden import remove_hidden

__all__ = ["extract_docx"]

_HEADING = re.compile(r"Heading ([1-9])")


def extract_docx(content: bytes) -> Iterator[PageBlocks]:
    """Yield a document as one page: Word computes pages only when it lays out the text.

    Raises
    ------
    DocumentRefused
        The archive exceeds a limit.
    """
    check_archive(content)
    document = Document(io.BytesIO(content))
    remove_hidden(document)
    yield PageBlocks(_iter_blocks(document))


def _iter_blocks(container: Any) -> Iterator[Block]:
    """Yield paragraphs and table rows of a document or a cell."""
    for block in container.iter_inner_content():
        if isinstance(block, Table):
            for number, row in enumerate(_iter_rows(block)):
                yield Block(row, gap="\n" if number else None)
        else:
            yield Block(block.text, _get_level(block.style))


def _iter_rows(table: Table) -> Iterator[str]:
    """Yield rows as lines, each cell once per row; a cell that spans rows appears in each of these rows.

    ``row.cells`` is not used, because it creates an object for every column that a cell declares to span. For
    a cell that spans rows, it also searches the cell's start in each row: two thousand rows take half a
    minute.
    """
    above: dict[int, str] = {}
    for row in table.rows:
        column = 0
        texts = []
        for tc in row._tr.tc_lst:  # noqa: SLF001 (see above)
            if tc.vMerge != "continue":
                above[column] = " ".join(
                    " ".join(block.text for block in _iter_blocks(_Cell(tc, table))).split()
                )
            texts.append(above.get(column, ""))
            column += tc.grid_span
        yield " | ".join(texts)


def _get_level(style: Any) -> int | None:
    """Return the level of a heading, by the English name of its style in the file."""
    name = style.name if style else ""
    if name == "Title":
        return 0
    heading = _HEADING.fullmatch(name or "")
    return int(heading[1]) if heading else None
