"""Output of ``tenantry``: progress lines, the table of parts and the list of logins."""

import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table

from .logins import Login
from .platform import PartState, PartStatus

__all__ = ["Progress", "make_console", "print_logins", "print_statuses", "serialize_statuses"]

UNLIMITED_WIDTH = 10_000
"""Width without a terminal: lines are never wrapped, so that URLs stay whole."""

COUNTER_PREFIX = "(once per machine): "
"""Beginning of the part of a progress text that changes every second."""

LINE_INTERVAL_SECONDS = 10
"""Interval at which a text with :data:`COUNTER_PREFIX` is printed if the output is not a terminal."""

MARKS = {
    PartState.UP: "[green]●[/]",
    PartState.BUILDING: "[yellow]○[/]",
    PartState.STARTING: "[yellow]○[/]",
    PartState.NOT_ANSWERING: "[yellow]![/]",
    PartState.EXITED: "[red]✗[/]",
    PartState.STOPPED: "[dim]-[/]",
}


def make_console() -> Console:
    """Return a console for standard output. Without a terminal it wraps no lines."""
    return Console(width=None if sys.stdout.isatty() else UNLIMITED_WIDTH)


class Progress:
    """Progress display with one line per part: updated in place on a terminal, otherwise printed.

    Parameters
    ----------
    console
        Console of the output.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self._build_table, console=console, refresh_per_second=8, transient=True
        )
        self._printed: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def report(self, part: str, text: str) -> None:
        """Show the current activity of a part."""
        with self._lock:
            self._lines[part] = (text, time.monotonic())
            if not self._console.is_terminal and self._is_due(part, text):
                self._console.print(f"{part:20} {text}", highlight=False)

    def _is_due(self, part: str, text: str) -> bool:
        """Return True unless the text is a counter that was printed a short time ago."""
        now = time.monotonic()
        if COUNTER_PREFIX in text and now - self._printed.get(part, 0) < LINE_INTERVAL_SECONDS:
            return False
        self._printed[part] = now
        return True

    def _build_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for part, (text, since) in self._lines.items():
                done = text in ("ready", "prepared")
                symbol = "[green]●[/]" if done else "[yellow]○[/]"
                elapsed = "" if done else f"{time.monotonic() - since:.0f} s"
                table.add_row(symbol, f"[bold]{part}[/]", text, f"[dim]{elapsed}[/]")
        return table


def print_statuses(console: Console, statuses: Sequence[PartStatus]) -> None:
    """Print each part with its state, purpose, version and URL: as a table if the terminal is wide enough."""
    table = _build_status_table(statuses)
    if _measure(console, table) <= console.width:
        console.print(table)
        return
    for status in statuses:
        kind = "real" if status.part.real else "stand-in"
        details = f"{status.part.summary}, {kind}, {status.part.version}"
        # Only the terminal wraps these lines, so a URL can be copied as a whole.
        for line in (f"{MARKS[status.state]} {status.part.name}: {status.state}", details, status.part.url):
            indent = "" if line.startswith("[") else "    "
            console.print(f"{indent}{line}", highlight=False, soft_wrap=True)


def print_logins(console: Console, logins: Sequence[Login]) -> None:
    """Print the accounts with their passwords."""
    console.print("\nLogins (passwords are secret):", highlight=False)
    for login in logins:
        console.print(f"\n  [bold]{login.name}[/]", highlight=False)
        for line in (login.url, f"user {login.user}", f"password {login.password}"):
            console.print(f"    {line}", highlight=False, soft_wrap=True, markup=False)


def serialize_statuses(statuses: Sequence[PartStatus]) -> list[dict[str, Any]]:
    """Return the statuses for ``tenantry status --json``."""
    return [
        {
            "name": status.part.name,
            "state": status.state.value,
            "description": status.part.summary,
            "standIn": not status.part.real,
            "version": status.part.version,
            "url": status.part.url,
        }
        for status in statuses
    ]


def _build_status_table(statuses: Sequence[PartStatus]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("part", "state", "purpose", "", "version", "URL"):
        table.add_column(title, no_wrap=True)
    for status in statuses:
        table.add_row(
            f"{MARKS[status.state]} {status.part.name}",
            str(status.state),
            status.part.summary,
            "real" if status.part.real else "[yellow]stand-in[/]",
            status.part.version,
            status.part.url,
        )
    return table


def _measure(console: Console, table: Table) -> int:
    """Return the width that a table needs to show each cell on one line."""
    options = console.options.update(max_width=UNLIMITED_WIDTH)
    return Measurement.get(console, options, table).maximum
