"""Faults on demand: a header spoils one request, a setting spoils the next few of an operation.

They are for the tests of whoever calls Bedrock: throttling, outages, slow models and streams that break.
"""

import asyncio
import time
from collections import defaultdict, deque
from enum import StrEnum

from pydantic import BaseModel, Field

from .errors import (
    BedrockError,
    InternalServerException,
    ModelErrorException,
    ModelTimeoutException,
    ServiceUnavailableException,
    ThrottlingException,
    ValidationException,
)

__all__ = ["HEADER", "Fault", "FaultType", "Faults", "Limit"]

HEADER = "x-standin-fault"
"""``throttle``, or ``timeout:2.5`` to have it after so many seconds."""

WINDOW_SECONDS = 60
THROTTLED = "Too many requests, please wait before trying again."
FAILED = "The system encountered an unexpected error during processing."


class FaultType(StrEnum):
    """What can go wrong."""

    THROTTLE = "throttle"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    MODEL_ERROR = "modelerror"
    INTERNAL = "internal"
    DELAY = "delay"
    """Nothing but the wait; for clients with a timeout of their own."""
    STREAM_ERROR = "streamerror"
    """An exception as an event, after the first words of a stream."""
    STREAM_CUT = "streamcut"
    """The connection ends after the first words of a stream."""
    STREAM_SLOW = "streamslow"
    """The words of a stream come slowly, as a real model's do."""


_ERRORS: dict[FaultType, BedrockError] = {
    FaultType.THROTTLE: ThrottlingException(THROTTLED),
    FaultType.UNAVAILABLE: ServiceUnavailableException(
        "The service is unable to process your request at this time."
    ),
    FaultType.TIMEOUT: ModelTimeoutException(
        "Model has timed out in processing the request. Try your request again."
    ),
    FaultType.MODEL_ERROR: ModelErrorException(FAILED),
    FaultType.INTERNAL: InternalServerException(FAILED),
}


class Fault(BaseModel):
    """A fault to come: to ``operation`` (empty: any), ``times`` over, each after ``delay`` seconds."""

    operation: str = ""
    fault: FaultType
    times: int = Field(1, ge=1)
    delay: float = Field(0, ge=0, le=600)


class Limit(BaseModel):
    """How often a minute an operation (empty: each) may be called; 0 is no limit."""

    operation: str = ""
    requests_per_minute: int = Field(ge=0, alias="requestsPerMinute")


class Faults:
    """The faults that are still to come, and the limits that hold."""

    def __init__(self) -> None:
        self.pending: list[Fault] = []
        self._limits: dict[str, int] = {}
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def limit(self, limit: Limit) -> None:
        """Set a limit."""
        self._limits[limit.operation] = limit.requests_per_minute
        self._calls.clear()

    def clear(self) -> None:
        """Forget all faults and limits."""
        self.pending.clear()
        self._limits.clear()

    async def apply_next(self, operation: str, header: str) -> FaultType | None:
        """Do what is due to this request; return what must still befall its answer, if anything.

        Raises
        ------
        BedrockError
            The error that is due.
        """
        self._check_limit(operation)
        fault = _parse(header) if header else self._next_fault(operation)
        if not fault:
            return None
        await asyncio.sleep(fault.delay)
        if fault.fault in _ERRORS:
            # Anew: an exception that is raised twice would drag its first traceback along.
            due = _ERRORS[fault.fault]
            raise type(due)(str(due))
        return fault.fault

    def _check_limit(self, operation: str) -> None:
        most = self._limits.get(operation) or self._limits.get("")
        if not most:
            return
        calls, now = self._calls[operation], time.monotonic()
        while calls and calls[0] <= now - WINDOW_SECONDS:
            calls.popleft()
        if len(calls) >= most:
            raise ThrottlingException(THROTTLED)
        calls.append(now)

    def _next_fault(self, operation: str) -> Fault | None:
        due = next((fault for fault in self.pending if fault.operation in ("", operation)), None)
        if due:
            due.times -= 1
            if not due.times:
                self.pending.remove(due)
        return due


def _parse(header: str) -> Fault:
    name, _, seconds = header.partition(":")
    try:
        return Fault(fault=FaultType(name), delay=float(seconds or 0))
    except ValueError as exc:
        raise ValidationException(
            f"{HEADER}: {header} is none of {', '.join(FaultType)}, with or without :seconds"
        ) from exc
