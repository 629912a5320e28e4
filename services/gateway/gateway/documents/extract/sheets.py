"""Tables: CSV, and XLSX sheet by sheet. Formulas appear as the values that were saved with them."""

import csv as stdlib_csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from openpyxl import load_workbook

from ...problems import DocumentTooLarge, DocumentUnreadable
from ..archives import check_archive
from .blocks import Block, Draft
from .plain import decode
from .tables import table_blocks

__all__ = ["csv", "xlsx"]

CELLS = 10_000_000
"""Most cells of one workbook, empty ones before a filled one included. A single cell at the far end of a
sheet would otherwise cost a million rows, and one in each row sixteen thousand columns."""

FIELD_CHARACTERS = 131_072
"""Longest field of a CSV; Excel has 32,767. A quote that is never closed swallows the rest of the file."""

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 20
_SAMPLE_CHARACTERS = 64 * 1024


def csv(content: bytes) -> Iterator[Draft]:
    """Yield the one page of a CSV.

    Raises
    ------
    DocumentUnsupported
        It is not encoded in UTF-8.
    DocumentUnreadable
        A field is far too long.
    """
    text = decode(content)
    yield Draft(table_blocks(_csv_rows(text, _delimiter(text)), level=1))


def xlsx(content: bytes) -> Iterator[Draft]:
    """Yield a page without a number for each sheet: no chunk runs over its end.

    Raises
    ------
    DocumentRefused
        It is an archive or a sheet that would hurt.
    """
    check_archive(content)
    workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    budget = _Budget()
    for sheet in workbook.worksheets:
        # A sheet may declare any size and be empty. Without one, only what is there is read.
        sheet.reset_dimensions()
        yield Draft(_sheet_blocks(sheet.title, budget.spend(sheet.iter_rows(values_only=True))))


def _sheet_blocks(title: str, rows: Iterable[Sequence[Any]]) -> Iterator[Block]:
    yield Block(title, level=1)
    yield from table_blocks(rows, level=2)


class _Budget:
    """The cells that a workbook has left."""

    def __init__(self) -> None:
        self._cells = CELLS

    def spend(self, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        for row in rows:
            self._cells -= 1 + len(row)
            if self._cells < 0:
                raise DocumentTooLarge(f"The workbook has more than {CELLS} cells. Split it.")
            yield row


def _delimiter(text: str) -> str:
    """Return what splits most of the first rows; ``csv.Sniffer`` takes the square of a sample's length."""
    sample = text[:_SAMPLE_CHARACTERS]

    def split(delimiter: str) -> tuple[int, int]:
        rows = [row for row, _ in zip(_csv_rows(sample, delimiter), range(_SAMPLE_ROWS), strict=False)]
        return sum(len(row) > 1 for row in rows), sum(map(len, rows))

    return max(_DELIMITERS, key=split)


def _csv_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    stdlib_csv.field_size_limit(FIELD_CHARACTERS)
    try:
        yield from stdlib_csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except stdlib_csv.Error as exc:
        raise DocumentUnreadable(
            f"The CSV has a field of more than {FIELD_CHARACTERS} characters. Is a quote not closed?"
        ) from exc
