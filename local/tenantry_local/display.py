"""What a person sees while parts come up, and after."""

import threading
import time
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from .platform import State

__all__ = ["Progress", "parts_table"]


class Progress:
    """One line a part, with what it is doing; on a terminal it is drawn in place, else line by line.

    Parameters
    ----------
    console
        Where it is drawn.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=8, transient=True)
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
        """Show what a part is doing now."""
        with self._lock:
            self._lines[part] = (text, time.monotonic())
            if not self._console.is_terminal and self._worth_a_line(part, text):
                self._console.print(f"{part:20} {text}", highlight=False)

    def _worth_a_line(self, part: str, text: str) -> bool:
        """Without a terminal a counter is printed every ten seconds only."""
        now = time.monotonic()
        counting = "once: " in text
        if counting and now - self._printed.get(part, 0) < 10:
            return False
        self._printed[part] = now
        return True

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for part, (text, since) in self._lines.items():
                done = text in ("ready", "prepared")
                mark = "[green]●[/]" if done else "[yellow]○[/]"
                waited = "" if done else f"{time.monotonic() - since:.0f} s"
                table.add_row(mark, f"[bold]{part}[/]", text, f"[dim]{waited}[/]")
        return table


def parts_table(states: list[State]) -> Table:
    """Return the table of parts: which run, what each is, whether real, its version and URL."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("part", no_wrap=True)
    table.add_column("what")
    table.add_column("", no_wrap=True)
    table.add_column("version", no_wrap=True)
    table.add_column("URL", overflow="fold")
    for state in states:
        table.add_row(
            f"[green]●[/] {state.part.name}" if state.healthy else f"[red]✗ {state.part.name}: down[/]",
            state.part.summary,
            "real" if state.part.real else "[yellow]stand-in[/]",
            state.part.version,
            state.part.url,
        )
    return table
