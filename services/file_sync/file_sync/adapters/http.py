"""Classification of HTTP errors for retries."""

from http import HTTPStatus

import httpx
from servicekit.errors import BackendError
from servicekit.remote import FailureClass

__all__ = ["classify", "get_status", "is_problem", "parse_retry_after"]

_BUSY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        # A 503 may concern one tenant or one document, so it must not open the circuit for all.
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)

MAX_RETRY_AFTER_SECONDS = 300.0
"""Upper bound for a ``Retry-After``: file-sync retries after this time at the latest."""


def classify(exc: Exception) -> FailureClass | None:
    """Return the class of a failed call; ``None`` if the HTTP client did not raise the exception."""
    match exc:
        case httpx.HTTPStatusError(response=response):
            if _is_problem(response, "deletions-held"):
                return FailureClass.PERMANENT  # a retry fails until an administrator decides
            if response.status_code in _BUSY:
                return FailureClass.BUSY
            return FailureClass.TRANSIENT if response.status_code >= 500 else FailureClass.PERMANENT
        case httpx.HTTPError():
            return FailureClass.TRANSIENT
        case _:
            return None


def parse_retry_after(exc: BackendError) -> float | None:
    """Return the response's ``Retry-After`` in seconds, or ``None`` if it has none."""
    match exc.__cause__:
        case httpx.HTTPStatusError(response=response):
            value = response.headers.get("retry-after", "")
            return min(float(value), MAX_RETRY_AFTER_SECONDS) if value.isdecimal() else None
        case _:
            return None


def get_status(exc: BackendError) -> int:
    """Return the status of the failed response; 0 without a response."""
    match exc.__cause__:
        case httpx.HTTPStatusError(response=response):
            return response.status_code
        case _:
            return 0


def is_problem(exc: BackendError, slug: str) -> bool:
    """Return True if the gateway answered with the problem document ``slug``."""
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
