"""What a measurement looks like, on a screen and in a file."""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

__all__ = ["Figure", "percentile", "show", "write"]


@dataclass(frozen=True)
class Figure:
    """One number, with the goal that it is held against (``None`` where it only informs).

    ``strict`` says that to equal the goal is not enough.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    better: Literal["lower", "higher"] = "lower"
    note: str = ""
    strict: bool = False

    @property
    def reached(self) -> bool:
        """Whether the goal is reached; true where there is none."""
        if self.goal is None:
            return True
        if self.strict and self.value == self.goal:
            return False
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


def percentile(values: Sequence[float], share: int) -> float:
    """Return a percentile of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    table = Table("name", "value", "unit", "goal", "note")
    for figure in figures:
        colour = "green" if figure.reached else "red"
        mark = {"lower": "<", "higher": ">"}[figure.better] + ("" if figure.strict else "=")
        goal = "" if figure.goal is None else f"{mark} {figure.goal:g}"
        table.add_row(figure.name, f"[{colour}]{figure.value:.4g}[/]", figure.unit, goal, figure.note)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write the list as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
