"""Placeholder for a part whose system this platform does not have."""

from dataclasses import dataclass

__all__ = ["DisabledPart"]


@dataclass(frozen=True)
class DisabledPart:
    """A part that the operator does not run. It has no condition, and its system is not scanned.

    Parameters
    ----------
    name
        Name of the part.
    reason
        Reason for the log and for receipts of erasure.
    """

    name: str
    reason: str
