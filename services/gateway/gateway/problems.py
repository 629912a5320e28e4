"""What the gateway refuses, and why: each class is one kind of problem document (RFC 9457).

The errors of identity and of external systems are :mod:`tenancy.errors`. The details here are shown to
callers, so they name what the caller sent and what to do, never another tenant's things.
"""

from typing import Any, ClassVar

from tenancy.errors import TenantryError

__all__ = [
    "AdminOnly",
    "BodyTooLarge",
    "BudgetExhausted",
    "Busy",
    "CollectionMissing",
    "CursorRefused",
    "DimensionMismatch",
    "DocumentBusy",
    "DocumentEmpty",
    "DocumentForeign",
    "DocumentMissing",
    "DocumentRefused",
    "DocumentTooLarge",
    "DocumentUnreadable",
    "DocumentUnsupported",
    "FilenameRefused",
    "FormRefused",
    "IdempotencyKeyBusy",
    "IdempotencyKeyRefused",
    "IdempotencyKeyReused",
    "IndexingFailed",
    "LimitReached",
    "LimitsUnavailable",
    "ModelUnavailable",
    "Overloaded",
    "PersonaMissing",
    "QuotaExceeded",
    "RateLimited",
    "WritesUnavailable",
]


class DocumentRefused(TenantryError):
    """A document that is not taken. Nothing of it was stored."""

    slug: ClassVar[str] = "document-refused"
    title: ClassVar[str] = "The document was refused"
    remedy: ClassVar[str] = "Send another file."
    status: ClassVar[int] = 422


class DocumentEmpty(DocumentRefused):
    """It has no bytes, or none that make text."""

    slug = "document-empty"
    title = "The document holds no text"
    remedy = "Send a file with text in it; pictures of text are not read."


class DocumentTooLarge(DocumentRefused):
    """It has more bytes, chunks or unpacked content than one document may."""

    slug = "document-too-large"
    title = "The document is too large"
    remedy = "Split the document and send its parts."
    status = 413


class DocumentUnreadable(DocumentRefused):
    """It is encrypted, corrupt, or reading it takes too much."""

    slug = "document-unreadable"
    title = "The document cannot be read"
    remedy = "Save it anew, without a password, in one of the formats that are read."


class DocumentUnsupported(DocumentRefused):
    """It is of a format that is not read, or of another than its name says."""

    slug = "document-unsupported"
    title = "The document's format is not supported"
    remedy = "Send one of the [formats that are read](formats.md), with the ending of its own format."
    status = 415


class DocumentMissing(TenantryError):
    """There is no such document in this tenant."""

    slug = "document-missing"
    title = "There is no such document"
    remedy = "List the documents; it may have been deleted."
    status = 404


class DocumentForeign(TenantryError):
    """The document is the tenant's, but not this person's to change."""

    slug = "document-foreign"
    title = "The document is somebody else's"
    remedy = "Ask its owner or one of the tenant's administrators."
    status = 403


class FilenameRefused(TenantryError):
    """The file's name cannot be part of an object key, or cannot be shown."""

    slug = "filename-refused"
    title = "The file's name was refused"
    remedy = (
        "Rename the file: a plain name of at most 200 characters, without `/`, `\\` and control characters."
    )
    status = 422


class BodyTooLarge(TenantryError):
    """The request's body has more bytes than one of its kind may."""

    slug = "body-too-large"
    title = "The body is too large"
    remedy = "Send less at once."
    status = 413


class FormRefused(TenantryError):
    """The request is not the form that is expected."""

    slug = "invalid-request"
    title = "The request is not valid"
    remedy = (
        "Read `detail`, or `errors` where it is there: each names a place in the request and what "
        "is wrong with it."
    )
    status = 422


class CursorRefused(TenantryError):
    """The cursor is none that was given out for this list."""

    slug = "cursor-refused"
    title = "The cursor was refused"
    remedy = "Begin again without `cursor`, or send a `nextCursor` as it was given."
    status = 422


class PersonaMissing(TenantryError):
    """The tenant has no such persona."""

    slug = "persona-missing"
    title = "There is no such persona"
    remedy = "Name one of the personas that `GET /v1/models` lists."
    status = 404


class ModelUnavailable(TenantryError):
    """Bedrock does not (any more) serve the model that is configured."""

    slug = "model-unavailable"
    title = "The configured model is not available"
    remedy = (
        "Tell the operators: `spec.model.chat` of the Tenant or `GATEWAY_CHAT_MODEL` must name a "
        "model that Bedrock serves in this region and account."
    )
    status = 502


class CollectionMissing(TenantryError):
    """The tenant's collection has not been made yet."""

    slug = "tenant-not-ready"
    title = "The tenant is not ready"
    remedy = "Try again after `Retry-After`; a new Tenant is ready within seconds."
    status = 503


class DimensionMismatch(TenantryError):
    """The collection holds vectors of another length than we make: starting would only spoil it."""

    slug = "dimension-mismatch"
    title = "The collection's dimension is not the configured one"
    remedy = "Set `GATEWAY_EMBEDDING_DIMENSION` to the collection's, or ingest into a new collection."


class Overloaded(TenantryError):
    """There are more requests than can be served. Nothing of this one was done."""

    slug = "overloaded"
    title = "Too many requests at once"
    remedy = "Try again after `Retry-After`."
    status = 503


class AdminOnly(TenantryError):
    """The person is not one of the tenant's administrators."""

    slug = "admin-only"
    title = "Only administrators may do this"
    remedy = "Ask one of the tenant's administrators."
    status = 403


class LimitReached(TenantryError):
    """A limit of the tenant that gives way with time.

    Parameters
    ----------
    retry_after
        Seconds until the same request may pass.
    """

    status: ClassVar[int] = 429

    def __init__(self, detail: str, *, retry_after: int, **extensions: Any) -> None:
        super().__init__(detail, **extensions)
        self.retry_after = retry_after


class RateLimited(LimitReached):
    """The tenant has asked as often in the last minute as it may."""

    slug = "rate-limited"
    title = "Too many queries"
    remedy = "Wait as long as `Retry-After` says; the `RateLimit` header tells what is left."


class BudgetExhausted(LimitReached):
    """What is left of the tenant's tokens for this month does not cover the answer."""

    slug = "budget-exhausted"
    title = "The month's tokens are used up"
    remedy = (
        "Wait for the next month, or have `spec.quota.tokensPerMonth` of the Tenant raised. Searches go on."
    )


class QuotaExceeded(TenantryError):
    """The tenant has no room for the document: `quota` names `documents` or `storage`."""

    slug = "quota-exceeded"
    title = "The tenant's quota is used up"
    remedy = "Delete documents, or have `spec.quota` of the Tenant raised."
    status = 403


class LimitsUnavailable(TenantryError):
    """What the tenant has used cannot be counted, so nothing more is used."""

    slug = "limits-unavailable"
    title = "Limits cannot be checked right now"
    remedy = "Try again after `Retry-After`: Redis cannot be reached. Searches go on."
    status = 503


class WritesUnavailable(TenantryError):
    """Who writes what cannot be agreed on, so nothing more is written."""

    slug = "writes-unavailable"
    title = "Documents cannot be written right now"
    remedy = "Try again after `Retry-After`: Redis cannot be reached. What was begun is completed by itself."
    status = 503


class Busy(TenantryError):
    """Somebody else is at it.

    Parameters
    ----------
    retry_after
        Seconds until it is worth another try.
    """

    status: ClassVar[int] = 409

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class DocumentBusy(Busy):
    """The document is being written or deleted by another request."""

    slug = "document-busy"
    title = "The document is being written"
    remedy = "Try again after `Retry-After`."


class IndexingFailed(TenantryError):
    """What became of a stored document that could not be indexed, or deleted, again and again."""

    slug = "indexing-failed"
    title = "The document could not be completed"
    remedy = "Send the document again; if it fails again, tell the operators."


class IdempotencyKeyRefused(TenantryError):
    """The `Idempotency-Key` is none."""

    slug = "idempotency-key-refused"
    title = "The idempotency key was refused"
    remedy = "Send one `Idempotency-Key` of 1 to 255 printable ASCII characters, or none."
    status = 422


class IdempotencyKeyReused(TenantryError):
    """The `Idempotency-Key` was sent before, with another request."""

    slug = "idempotency-key-reused"
    title = "The idempotency key was used for another request"
    remedy = "Make a new key for each new request."
    status = 422


class IdempotencyKeyBusy(Busy):
    """The first request with this `Idempotency-Key` is still under way."""

    slug = "idempotency-key-busy"
    title = "The same request is under way"
    remedy = "Ask again after `Retry-After`, with the same key: you get the first request's answer."
