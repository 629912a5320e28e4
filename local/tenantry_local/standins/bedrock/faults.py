"""Fault injection: by a header for one request, or by a setting for the next calls of an operation.

The faults are for tests of Bedrock's callers: throttling, outages, slow models and broken streams.
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

__all__ = ["FAULT_HEADER", "FaultType", "Faults", "InjectedFault", "Limit"]

FAULT_HEADER = "x-standin-fault"
"""Header with a fault for the request: ``throttle``, or ``timeout:2.5`` for a timeout after 2.5 seconds."""

WINDOW_SECONDS = 60
THROTTLED = "Too many requests, please wait before trying again."
FAILED = "The system encountered an unexpected error during processing."


class FaultType(StrEnum):
    """Types of injected faults."""

    THROTTLE = "throttle"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    MODEL_ERROR = "modelerror"
    INTERNAL = "internal"
    DELAY = "delay"
    """A delay only, for clients with a timeout."""
    STREAM_ERROR = "streamerror"
    """An exception event after the first words of a stream."""
    STREAM_CUT = "streamcut"
    """The connection ends after the first words of a stream."""
    STREAM_SLOW = "streamslow"
    """Pauses between the words of a stream."""


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


class InjectedFault(BaseModel):
    """A fault for the next ``times`` calls of ``operation`` (empty: any), each after ``delay`` seconds."""

    operation: str = ""
    fault: FaultType
    times: int = Field(1, ge=1)
    delay: float = Field(0, ge=0, le=600)


class Limit(BaseModel):
    """Limit of calls per minute of an operation (empty: each operation); 0 is unlimited."""

    operation: str = ""
    requests_per_minute: int = Field(ge=0, alias="requestsPerMinute")


class Faults:
    """Pending faults and current limits."""

    def __init__(self) -> None:
        self.pending: list[InjectedFault] = []
        self._limits: dict[str, int] = {}
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def set_limit(self, limit: Limit) -> None:
        """Set the limit of an operation."""
        self._limits[limit.operation] = limit.requests_per_minute
        self._calls.clear()

    def clear(self) -> None:
        """Delete all faults and limits."""
        self.pending.clear()
        self._limits.clear()

    async def apply_next(self, operation: str, header: str) -> FaultType | None:
        """Apply the limit and the next fault to a request; return the fault for its stream, if any.

        Raises
        ------
        BedrockError
            The limit is exceeded, or the fault is an error.
        """
        self._check_limit(operation)
        fault = _parse(header) if header else self._take_next_fault(operation)
        if not fault:
            return None
        await asyncio.sleep(fault.delay)
        if fault.fault in _ERRORS:
            # A copy: an exception that is raised twice keeps its first traceback.
            error = _ERRORS[fault.fault]
            raise type(error)(str(error))
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

    def _take_next_fault(self, operation: str) -> InjectedFault | None:
        due = next((fault for fault in self.pending if fault.operation in ("", operation)), None)
        if due:
            due.times -= 1
            if not due.times:
                self.pending.remove(due)
        return due


def _parse(header: str) -> InjectedFault:
    name, _, seconds = header.partition(":")
    try:
        return InjectedFault(fault=FaultType(name), delay=float(seconds or 0))
    except ValueError as exc:
        raise ValidationException(
            f"{FAULT_HEADER}: {header} is none of {', '.join(FaultType)}, optionally with :seconds"
        ) from exc
