"""Rows as lines of text, ``a | b | c``, under the names of their columns.

The row that names the columns is made a heading. So it goes with every chunk of a long table, and a
number that is found deep in it can be understood, while each row keeps its own words and is not longer
than in the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time
from typing import Any

from .blocks import Block

__all__ = ["table_blocks", "table_row"]


def table_blocks(rows: Iterable[Sequence[Any]], level: int) -> Iterator[Block]:
    """Yield the rows that are not empty.

    Parameters
    ----------
    level
        Level of the row with the names: the first that fills more than one cell. What stands before it
        is about the table as a whole.
    """
    named = False
    for row in rows:
        filled = sum(value not in (None, "") for value in row)
        if filled:
            names = filled > 1 and not named
            named = named or names
            yield Block(table_row(row), level if names else None, gap="\n")


def table_row(values: Iterable[Any]) -> str:
    """Return a row in one line. Empty cells at its end are dropped, the others keep their place."""
    return " | ".join(" ".join(_cell(value).split()) for value in values).rstrip(" |")


def _cell(value: Any) -> str:
    """Return a cell as its program shows it by default."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float():
            return f"{value:.15g}"  # further digits are the binary fraction's
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case _:
            return str(value)
