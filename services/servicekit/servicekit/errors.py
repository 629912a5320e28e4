"""Base class of RFC 9457 problems, and errors of deadlines and of calls to other systems.

Class attributes hold the fixed parts, instances the details. The reference
(docs/reference/problems.md) and the API's description are generated from the class attributes. The gateway
renders instances as they are; the operator maps :class:`BackendUnavailable` to a retry and
:class:`BackendRefused` to a Stalled condition.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from typing_extensions import override

__all__ = [
    "BackendError",
    "BackendRefused",
    "BackendUnavailable",
    "BodyTooLarge",
    "DeadlineExceeded",
    "InvalidRequest",
    "TenantryError",
]


class TenantryError(Exception):
    """The service failed with an unexpected error. All other problems are subclasses.

    Parameters
    ----------
    detail
        One or two sentences: what is wrong, where, and what to do. Safe to show to the caller.
    extensions
        Further members of the problem document, those that ``members`` names.

    Attributes
    ----------
    slug, title, status
        ``slug`` is the last part of the problem's type. The class docstring says when the problem occurs.
    remedy
        Advice for the caller.
    example
        Example of ``detail``.
    members
        Further members that the problem document can have, with example values.
    retryable
        True if responses have ``Retry-After`` though the status alone does not imply it.
    """

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    remedy: ClassVar[str] = "Give the request id to your administrators: the log has the details under it."
    example: ClassVar[str] = "It has been logged under the request's id."
    members: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, **extensions: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extensions = extensions

    @classmethod
    def get_uri(cls) -> str:
        """Return the problem's type, a stable URI."""
        return f"https://tenantry.io/problems/{cls.slug}"

    def to_problem(self) -> dict[str, Any]:
        """Return the members of the problem document (RFC 9457, section 3.1)."""
        return {
            "type": self.get_uri(),
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extensions,
        }


class InvalidRequest(TenantryError):
    """A parameter, field or form of the request is missing, unknown, or not valid."""

    slug = "invalid-request"
    title = "The request is not valid"
    remedy = (
        "Read `detail`, and `errors` if it is there: each error has the `location` of a field in the "
        "request and the `reason`."
    )
    example = "See `errors`: each has the location of a field in the request and the reason."
    members: ClassVar[Mapping[str, Any]] = {
        "errors": [{"location": ["body", "topK"], "reason": "Input should be less than or equal to 50"}]
    }
    status = 422


class BodyTooLarge(TenantryError):
    """The request's body exceeds the size limit of its route."""

    slug = "body-too-large"
    title = "The body is too large"
    remedy = "Send a smaller body."
    example = "The body has more than 65536 bytes."
    status = 413


class DeadlineExceeded(TenantryError):
    """The request exceeded its time limit and was cancelled at that moment."""

    slug = "deadline-exceeded"
    title = "The request took too long"
    remedy = (
        "Try again; a write can be repeated without harm. If the problem persists, use a smaller "
        "document or a shorter question."
    )
    example = "The request took longer than it may. Try again."
    status = 504


class BackendError(TenantryError):
    """Call to an external system that failed after all retries.

    Parameters
    ----------
    system
        Name of the system, as in metrics: ``s3``, ``keycloak``, ``qdrant``, ``bedrock`` and so on.
    operation
        Name of the call, as in metrics.
    reason
        Message of the system, without secrets.
    """

    next_step: ClassVar[str] = "Try again; if it persists, ask your administrators."
    """Last sentence of the problem's detail: what the caller can do."""

    def __init__(self, system: str, operation: str, reason: str) -> None:
        super().__init__(f"{system} failed at {operation}: {reason}")
        self.system = system
        self.operation = operation
        self.reason = reason

    @override
    def to_problem(self) -> dict[str, Any]:
        """Leave out the system's message, which can name hosts, keys and other tenants' objects."""
        return super().to_problem() | {"detail": f"{self.title}. {self.next_step}"}


class BackendUnavailable(BackendError):
    """The system did not answer, or is unavailable. The same call can succeed later.

    ``retry_after`` is the pause that the system asked for, in seconds.
    """

    slug = "backend-unavailable"
    title = "A backend is not available right now"
    remedy = "Try again after `Retry-After`. Interrupted writes are completed or removed automatically."
    example = "A backend is not available right now. Try again; if it persists, ask your administrators."
    status = 503

    def __init__(self, system: str, operation: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(system, operation, reason)
        self.retry_after = retry_after


class BackendRefused(BackendError):
    """The system refused the call. Retries fail until a permission, model or setting is changed."""

    slug = "backend-refused"
    title = "A backend refused the request"
    remedy = "Give the request id to your administrators: a permission, a model or a setting is missing."
    example = "A backend refused the request. Give your administrators the request id."
    next_step = "Give your administrators the request id."
    status = 502
