"""Timings of a request's stages, which separate the gateway's own time from that of its backends.

Each stage is a sample of a metric, an entry of the ``Server-Timing`` header and a span of the trace.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

from .metrics import STAGE_SECONDS

__all__ = ["RequestTimings"]

_TRACER = trace.get_tracer("gateway")


class RequestTimings:
    """Durations of one request's stages, each measured while it runs."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Record the duration of the block as a stage; repeated stages add up."""
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
        """Seconds since the request arrived."""
        return time.perf_counter() - self._started

    def to_header(self) -> str:
        """Return the value of a ``Server-Timing`` header: milliseconds per stage, and the total."""
        stages = {**self._seconds, "total": self.total}
        return ", ".join(f"{stage};dur={seconds * 1000:.2f}" for stage, seconds in stages.items())
