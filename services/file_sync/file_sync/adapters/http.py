"""Calls over HTTP: what an answer means for the next attempt."""

from http import HTTPStatus

import httpx
from servicekit.errors import RemoteError
from servicekit.remote import Fault

__all__ = ["classify", "is_problem", "retry_after"]

_BUSY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        # One tenant's or one document's matter, perhaps: it must not open the circuit for all.
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)

LONGEST_PAUSE = 300.0
"""No wish for a longer pause is granted: we come back and ask."""


def classify(exc: Exception) -> Fault | None:
    """Say what a failed call means."""
    match exc:
        case httpx.HTTPStatusError(response=response):
            if _is_problem(response, "deletions-held"):
                return Fault.PERMANENT  # until a person decides
            if response.status_code in _BUSY:
                return Fault.BUSY
            return Fault.TRANSIENT if response.status_code >= 500 else Fault.PERMANENT
        case httpx.HTTPError():
            return Fault.TRANSIENT
        case _:
            return None


def retry_after(exc: RemoteError) -> float | None:
    """Return how long the other side wants us to wait, in seconds; ``None`` when it did not say."""
    match exc.__cause__:
        case httpx.HTTPStatusError(response=response):
            wish = response.headers.get("retry-after", "")
            return min(float(wish), LONGEST_PAUSE) if wish.isdecimal() else None
        case _:
            return None


def status(exc: RemoteError) -> int:
    """Return the status of the answer that was the failure; 0 when there was no answer."""
    match exc.__cause__:
        case httpx.HTTPStatusError(response=response):
            return response.status_code
        case _:
            return 0


def is_problem(exc: RemoteError, slug: str) -> bool:
    """Tell whether a refusal is the problem of that kind."""
    match exc.__cause__:
        case httpx.HTTPStatusError(response=response):
            return _is_problem(response, slug)
        case _:
            return False


def _is_problem(response: httpx.Response, slug: str) -> bool:
    kind = response.headers.get("content-type", "")
    return kind.startswith("application/problem+json") and str(response.json().get("type", "")).endswith(
        f"/{slug}"
    )
