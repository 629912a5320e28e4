"""Figures of a benchmark, their tables and their JSON file."""

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

__all__ = ["Figure", "get_percentile", "show", "write"]


@dataclass(frozen=True)
class Figure:
    """One measured value with its goal (``None``: no goal).

    With ``strict``, a value equal to the goal fails. ``baseline`` is the value of Open WebUI's own RAG, if
    it was measured as well.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    better: Literal["lower", "higher"] = "lower"
    note: str = ""
    strict: bool = False
    baseline: float | None = None

    @property
    def reached(self) -> bool:
        """Return True if the goal is reached, or if there is no goal."""
        if self.goal is None:
            return True
        if self.strict and self.value == self.goal:
            return False
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


def get_percentile(values: Sequence[float], share: int) -> float:
    """Return a percentile of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def show(figures: Sequence[Figure]) -> None:
    """Print a table of the figures, and a second table of the figures with a baseline."""
    alone = [figure for figure in figures if figure.baseline is None]
    compared = [figure for figure in figures if figure.baseline is not None]
    if alone:
        _print("", alone)
    if compared:
        _print("Side by side", compared, "Open WebUI's own RAG")


def _print(title: str, figures: Sequence[Figure], baseline: str = "") -> None:
    table = Table(
        "name", "value", *([baseline] if baseline else []), "unit", "goal", "note", title=title or None
    )
    for figure in figures:
        colour = "green" if figure.reached else "red"
        mark = {"lower": "<", "higher": ">"}[figure.better] + ("" if figure.strict else "=")
        goal = "" if figure.goal is None else f"{mark} {figure.goal:g}"
        value = f"[{colour}]{figure.value:.4g}[/]"
        values = (value, f"{figure.baseline:.4g}") if baseline else (value,)
        table.add_row(figure.name, *values, figure.unit, goal, figure.note)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def write(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
