"""Formatting of table rows as lines of text: ``a | b | c``.

The row with the column names becomes a heading. So every chunk of a long table has the column names, and
numbers in the middle of the table can be understood. Rows do not become longer than in the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time
from typing import Any

from .blocks import Block

__all__ = ["format_row", "format_table"]


def format_table(rows: Iterable[Sequence[Any]], level: int) -> Iterator[Block]:
    """Yield the rows that are not empty as blocks.

    Parameters
    ----------
    level
        Heading level of the row with the column names: the first row with more than one filled cell.
    """
    named = False
    for row in rows:
        filled = sum(value not in (None, "") for value in row)
        if filled:
            names = filled > 1 and not named
            named = named or names
            yield Block(format_row(row), level if names else None, gap="\n")


def format_row(values: Iterable[Any]) -> str:
    """Return a row as one line. Empty cells at its end are dropped, others keep their position."""
    return " | ".join(" ".join(_format_cell(value).split()) for value in values).rstrip(" |")


def _format_cell(value: Any) -> str:
    """Return a cell's text as spreadsheet programs show it by default."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float():
            return f"{value:.15g}"  # further digits come from the binary representation
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case _:
            return str(value)
