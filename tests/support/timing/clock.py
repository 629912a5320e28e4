"""Simulated time: an event loop that jumps to the next timer, and a clock that a test sets."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from typing_extensions import override

__all__ = ["ManualClock", "simulate"]

T = TypeVar("T")


class ManualClock:
    """Clock that returns ``now``, in seconds, until the test changes it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Selector(selectors.DefaultSelector):
    """Selector that advances the clock instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    @override
    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("all tasks wait and no timer is set, so the loop would hang")
        self.now += max(timeout, 0.0)
        return super().select(0)


def simulate(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in simulated time; return its result."""
    selector = _Selector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        return loop.run_until_complete(scenario)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
