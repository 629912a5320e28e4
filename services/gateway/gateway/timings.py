"""Where a request's time goes, so that our own share and the backends' can be told apart.

Each stage is a figure in the metrics, a part of the ``Server-Timing`` header and a span of the trace.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

from .metrics import STAGE_SECONDS

__all__ = ["Stages"]

_TRACER = trace.get_tracer("gateway")


class Stages:
    """The stages of one request; each is measured as it runs."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count the time inside as a stage; a stage that runs twice adds up."""
        started = time.perf_counter()
        try:
            with _TRACER.start_as_current_span(stage, record_exception=False):
                yield
        finally:
            elapsed = time.perf_counter() - started
            self._seconds[stage] = self._seconds.get(stage, 0.0) + elapsed
            STAGE_SECONDS.labels(stage).observe(elapsed)

    @property
    def total(self) -> float:
        """Seconds since the request came."""
        return time.perf_counter() - self._started

    def to_header(self) -> str:
        """Return the value of a ``Server-Timing`` header: milliseconds by stage, and in all."""
        stages = {**self._seconds, "total": self.total}
        return ", ".join(f"{stage};dur={seconds * 1000:.2f}" for stage, seconds in stages.items())
