"""Faults on demand: a header spoils one request, a setting spoils the next few of an operation."""

import asyncio
from dataclasses import dataclass

from pydantic import BaseModel, Field

from .errors import (
    BedrockError,
    InternalServerException,
    ModelErrorException,
    ModelTimeoutException,
    ServiceUnavailableException,
    ThrottlingException,
)

__all__ = ["FAULTS", "Fault", "Faults"]

FAULTS: dict[str, type[BedrockError]] = {
    "throttle": ThrottlingException,
    "unavailable": ServiceUnavailableException,
    "timeout": ModelTimeoutException,
    "modelerror": ModelErrorException,
    "internal": InternalServerException,
}
MESSAGES = {"throttle": "Too many requests, please wait before trying again."}


class Fault(BaseModel):
    """What is to go wrong: ``fault`` is one of :data:`FAULTS`, ``delay`` or ``break-stream``."""

    operation: str = ""
    fault: str
    times: int = Field(1, ge=1)
    delay: float = Field(0, ge=0, le=60)


@dataclass
class Faults:
    """The faults that are still to come."""

    pending: list[Fault]

    async def strike(self, operation: str, header: str) -> bool:
        """Do what is due to this request; tell whether its stream must break in the middle.

        Raises
        ------
        BedrockError
            The error that is due.
        """
        fault = Fault(fault=header) if header else self._take(operation)
        if not fault:
            return False
        await asyncio.sleep(fault.delay)
        error = FAULTS.get(fault.fault)
        if error:
            raise error(MESSAGES.get(fault.fault, f"The stand-in was told to fail: {fault.fault}."))
        return fault.fault == "break-stream"

    def _take(self, operation: str) -> Fault | None:
        due = next((fault for fault in self.pending if fault.operation in ("", operation)), None)
        if due:
            due.times -= 1
            if not due.times:
                self.pending.remove(due)
        return due
