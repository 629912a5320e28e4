"""Extractors for tables: CSV, and XLSX sheet by sheet. Formulas appear as their saved values."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from openpyxl import load_workbook

from ...problems import DocumentTooLarge, DocumentUnreadable
from ..archives import check_archive
from .blocks import Block, PageBlocks
from .plain import decode
from .tables import format_table

__all__ = ["extract_csv", "extract_xlsx"]

MAX_CELLS = 10_000_000
"""Maximum number of cells of one workbook, including the empty cells before a filled cell.

Without this limit, a single cell at the end of a sheet costs a million rows, and a cell at the end of a row
sixteen thousand columns."""

MAX_FIELD_CHARACTERS = 131_072
"""Longest field of a CSV; Excel allows 32,767. An unclosed quote makes the rest of the file one field."""

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 20
_SAMPLE_CHARACTERS = 64 * 1024


def extract_csv(content: bytes) -> Iterator[PageBlocks]:
    """Yield a CSV as one page.

    Raises
    ------
    DocumentUnsupported
        The file is not encoded in UTF-8.
    DocumentUnreadable
        A field is too long.
    """
    text = decode(content)
    yield PageBlocks(format_table(_parse_csv(text, _detect_delimiter(text)), level=1))


def extract_xlsx(content: bytes) -> Iterator[PageBlocks]:
    """Yield each sheet as a page without a number, so that no chunk crosses the end of a sheet.

    Raises
    ------
    DocumentRefused
        The archive or a sheet exceeds a limit.
    """
    check_archive(content)
    workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    budget = _CellBudget()
    for sheet in workbook.worksheets:
        # An empty sheet may declare any size. After the reset only existing cells are read.
        sheet.reset_dimensions()
        yield PageBlocks(_iter_sheet_blocks(sheet.title, budget.count(sheet.iter_rows(values_only=True))))


def _iter_sheet_blocks(title: str, rows: Iterable[Sequence[Any]]) -> Iterator[Block]:
    yield Block(title, level=1)
    yield from format_table(rows, level=2)


class _CellBudget:
    """Number of cells that may still be read from a workbook."""

    def __init__(self) -> None:
        self._cells = MAX_CELLS

    def count(self, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        for row in rows:
            self._cells -= 1 + len(row)
            if self._cells < 0:
                raise DocumentTooLarge(f"The workbook has more than {MAX_CELLS} cells. Split it.")
            yield row


def _detect_delimiter(text: str) -> str:
    """Return the delimiter that splits most of the first rows; ``csv.Sniffer`` takes quadratic time."""
    sample = text[:_SAMPLE_CHARACTERS]

    def split(delimiter: str) -> tuple[int, int]:
        rows = [row for row, _ in zip(_parse_csv(sample, delimiter), range(_SAMPLE_ROWS), strict=False)]
        return sum(len(row) > 1 for row in rows), sum(map(len, rows))

    return max(_DELIMITERS, key=split)


def _parse_csv(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as exc:
        raise DocumentUnreadable(
            f"The CSV has a field of more than {MAX_FIELD_CHARACTERS} characters. Is a quote not closed?"
        ) from exc
