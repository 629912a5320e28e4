"""Errors of the gateway: each class is one type of problem document (RFC 9457).

:mod:`tenancy.errors` has the errors of identity, :mod:`servicekit.errors` the errors of external systems.
Callers see the details. So a detail names the invalid input and the remedy, never another tenant's data.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from servicekit.errors import TenantryError
from tenancy.quotas import explain_document_quota

__all__ = [
    "AdminOnly",
    "BudgetExhausted",
    "Busy",
    "CursorRefused",
    "DeletionsHeld",
    "DimensionMismatch",
    "DocumentBusy",
    "DocumentEmpty",
    "DocumentExists",
    "DocumentMissing",
    "DocumentNotOwned",
    "DocumentRefused",
    "DocumentTooLarge",
    "DocumentUnreadable",
    "DocumentUnsupported",
    "FilenameRefused",
    "IdempotencyKeyBusy",
    "IdempotencyKeyRefused",
    "IdempotencyKeyReused",
    "IndexingFailed",
    "LimitReached",
    "LimitsUnavailable",
    "MediaTypeRefused",
    "ModelUnavailable",
    "Overloaded",
    "PersonaMissing",
    "QuotaExceeded",
    "RateLimited",
    "TenantNotReady",
    "TrashedDocumentMissing",
    "WritesUnavailable",
    "list_problem_types",
]


class DocumentRefused(TenantryError):
    """The document is not accepted; nothing was stored."""

    status: ClassVar[int] = 422


class DocumentEmpty(DocumentRefused):
    """The file is empty or contains no text."""

    slug = "document-empty"
    title = "The document contains no text"
    remedy = "Send a file that contains text; images of text are not read."
    example = "The PDF file holds no text. A scan must be recognised (OCR) first."


class DocumentTooLarge(DocumentRefused):
    """The file exceeds the limit of bytes, chunks or unpacked content of one document."""

    slug = "document-too-large"
    title = "The document is too large"
    remedy = "Split the document and send its parts."
    example = "The file has more than 52428800 bytes."
    status = 413


class DocumentUnreadable(DocumentRefused):
    """The file is encrypted or damaged, or reading it exceeds the limits of time or memory."""

    slug = "document-unreadable"
    title = "The document cannot be read"
    remedy = "Save it again without a password, in one of the supported formats."
    example = "The PDF is encrypted. Remove its password and send it again."


class DocumentUnsupported(DocumentRefused):
    """The file has an unsupported format, or its content does not match its extension."""

    slug = "document-unsupported"
    title = "The document's format is not supported"
    remedy = "Send one of the [supported formats](formats.md), with the matching file extension."
    example = "The file is not encoded in UTF-8. Save it as UTF-8."
    status = 415


class DocumentMissing(TenantryError):
    """The tenant has no document with this id."""

    slug = "document-missing"
    title = "The document does not exist"
    remedy = "List the documents; it may have been deleted."
    example = "The tenant has no document of that id."
    status = 404


class TrashedDocumentMissing(TenantryError):
    """The tenant's trash has no document with this id, or it can no longer be restored."""

    slug = "trashed-document-missing"
    title = "The document is not in the trash"
    remedy = "List the trash: it no longer lists documents that were restored or whose retention has ended."
    example = "The trash holds no document of that id."
    status = 404


class DocumentExists(TenantryError):
    """The persona already has a document with this name."""

    slug = "document-exists"
    title = "A document with this name exists"
    remedy = (
        "To restore another version, delete the present document first and restore by `removalId`. To upload "
        "a new version of a file from Open WebUI, upload it in Open WebUI."
    )
    example = (
        "The persona already has a document named budget-2026.pdf. Delete that one first: it moves to the "
        "trash, too, and each can be restored by its `removalId`."
    )
    status = 409


class DocumentNotOwned(TenantryError):
    """The document belongs to another user of the tenant."""

    slug = "document-not-owned"
    title = "The document belongs to another user"
    remedy = "Ask its owner or one of the tenant's administrators."
    example = "Only its owner and the tenant's administrators may delete a document."
    status = 403


class FilenameRefused(TenantryError):
    """The file's name is not valid in an object key or cannot be displayed."""

    slug = "filename-refused"
    title = "The file's name was refused"
    remedy = "Rename the file: a plain name of at most 255 bytes, without `/`, `\\` and control characters."
    example = "The file's name must not contain a slash or a backslash."
    status = 422


class MediaTypeRefused(TenantryError):
    """The operation does not accept the body's media type."""

    slug = "media-type-refused"
    title = "The media type of the body is not supported"
    status = 415
    remedy = "Send the document as a form: `multipart/form-data`."
    example = "Send a form: multipart/form-data with `file` and `personaId`."


class CursorRefused(TenantryError):
    """The cursor does not belong to this list."""

    slug = "cursor-refused"
    title = "The cursor was refused"
    remedy = "Start again without `cursor`, or send an unchanged `nextCursor`."
    example = "`cursor` must be a `nextCursor` of this list, or be omitted."
    status = 422


class PersonaMissing(TenantryError):
    """The tenant has no persona with this id."""

    slug = "persona-missing"
    title = "The persona does not exist"
    remedy = "Name one of the personas that `GET /v1/models` lists."
    example = "The tenant has no such persona. Choose one of `personas`."
    members: ClassVar[Mapping[str, Any]] = {"personas": ["finance", "legal"]}
    status = 404


class ModelUnavailable(TenantryError):
    """Bedrock does not serve the configured model (any more)."""

    slug = "model-unavailable"
    title = "The configured model is not available"
    remedy = (
        "Contact a platform engineer: `spec.model.chat` of the Tenant or `GATEWAY_CHAT_MODEL` must "
        "name a model that Bedrock serves in this region and account."
    )
    example = (
        "Bedrock does not offer anthropic.claude-v1 to this account (any more). Name a current model in the "
        "Tenant's spec.model.chat or in the gateway's settings."
    )
    members: ClassVar[Mapping[str, Any]] = {"model": "anthropic.claude-v1"}
    status = 502


class TenantNotReady(TenantryError):
    """The tenant's collection does not exist yet."""

    slug = "tenant-not-ready"
    title = "The tenant is not ready"
    remedy = "Try again after `Retry-After`; a new Tenant is ready within seconds."
    example = "The tenant's collection does not exist yet. Try again when its Tenant is Ready."
    status = 503


class DimensionMismatch(TenantryError):
    """The dimension of the collection differs from the configured one; the gateway does not write to it."""

    slug = "dimension-mismatch"
    title = "The collection's dimension is not the configured one"
    remedy = "Set `GATEWAY_EMBEDDING_DIMENSION` to the collection's, or ingest into a new collection."
    example = (
        "Collection documents holds dense vectors of 1024 numbers, but GATEWAY_EMBEDDING_DIMENSION is 768."
    )


class Overloaded(TenantryError):
    """All slots and the queue are full; the request was not processed."""

    slug = "overloaded"
    title = "Too many concurrent requests"
    remedy = "Try again after `Retry-After`."
    example = "Too many requests are waiting already. The request was not processed. Try again in a moment."
    status = 503


class AdminOnly(TenantryError):
    """The user is not one of the tenant's administrators."""

    slug = "admin-only"
    title = "Only administrators may do this"
    remedy = "Ask one of the tenant's administrators."
    example = "Only the tenant's administrators may do this. The Tenant resource names them."
    status = 403


class LimitReached(TenantryError):
    """The tenant has reached a limit that resets with time.

    Parameters
    ----------
    retry_after
        Seconds until the same request may succeed.
    """

    status: ClassVar[int] = 429

    def __init__(self, detail: str, *, retry_after: int, **extensions: Any) -> None:
        super().__init__(detail, **extensions)
        self.retry_after = retry_after


class RateLimited(LimitReached):
    """The tenant has sent the allowed number of queries in the last minute."""

    slug = "rate-limited"
    title = "Too many queries"
    remedy = "Wait for `Retry-After`; the `RateLimit` header shows the remaining queries."
    example = "The tenant may send 60 queries a minute. Try again in 31 seconds."
    members: ClassVar[Mapping[str, Any]] = {"limit": 60}


class BudgetExhausted(LimitReached):
    """The tenant's remaining tokens of this month do not cover the answer."""

    slug = "budget-exhausted"
    title = "The month's tokens are used up"
    remedy = "Wait for the next month, or request a higher `spec.quota.tokensPerMonth`. Searches still work."
    example = (
        "The tenant may use 5000000 tokens a month. 4999310 are used, 0 are reserved for concurrent answers, "
        "and this answer needs up to 1800. The budget resets at 2026-12-01T00:00:00Z. Ask for a higher "
        "limit, or wait."
    )
    members: ClassVar[Mapping[str, Any]] = {
        "limit": 5000000,
        "used": 4999310,
        "resetsAt": "2026-12-01T00:00:00Z",
    }


class QuotaExceeded(TenantryError):
    """The document exceeds the tenant's quota; `quota` names `documents` or `storage`."""

    slug = "quota-exceeded"
    title = "The tenant's quota is used up"
    remedy = "Delete documents, or request a higher `spec.quota`."
    example = explain_document_quota(limit=1000, used=1000)
    members: ClassVar[Mapping[str, Any]] = {"quota": "documents", "limit": 1000, "used": 1000}
    status = 403


class LimitsUnavailable(TenantryError):
    """The tenant's usage cannot be counted, so the request is refused."""

    slug = "limits-unavailable"
    title = "Limits cannot be checked right now"
    remedy = "Try again after `Retry-After`: Redis cannot be reached. Searches still work."
    example = "The token budget cannot be checked right now. Try again in a moment."
    status = 503


class WritesUnavailable(TenantryError):
    """Writes cannot be coordinated, so documents are not written."""

    slug = "writes-unavailable"
    title = "Documents cannot be written right now"
    remedy = (
        "Try again after `Retry-After`: Redis cannot be reached. "
        "Writes in progress are completed automatically."
    )
    example = "The document cannot be locked for writing right now. Try again in a moment."
    status = 503


class Busy(TenantryError):
    """Another request holds a lock that this request needs.

    Parameters
    ----------
    retry_after
        Seconds until a retry may succeed.
    """

    status: ClassVar[int] = 409
    retryable: ClassVar[bool] = True

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class DocumentBusy(Busy):
    """Another request is writing or deleting the document."""

    slug = "document-busy"
    title = "The document is being written"
    remedy = "Try again after `Retry-After`."
    example = "Another request is writing the document. Try again when it is done."


class DeletionsHeld(Busy):
    """The deletion exceeds the limit of deletions, so an administrator must confirm it."""

    slug = "deletions-held"
    title = "Too many deletions in a short time"
    remedy = (
        "An administrator of the tenant releases them (`POST /v1/deletions/release`), or rejects them "
        "(`POST /v1/deletions/reject`). Or wait: the limit applies to each ten minutes."
    )
    example = (
        "More than 20 documents of the tenant would be deleted within 10 minutes, so this one is kept. An "
        "administrator of the tenant sees the held deletions with `GET /v1/deletions`, and releases them "
        "with `POST /v1/deletions/release` or rejects them with `POST /v1/deletions/reject`."
    )


class IndexingFailed(TenantryError):
    """Repeated attempts to index or delete a stored document have failed."""

    slug = "indexing-failed"
    title = "The document could not be completed"
    remedy = "Send the document again; if it fails again, contact a platform engineer."
    example = (
        "It could not be indexed in 5 attempts. Last error: A backend is not available right now. Try again. "
        "Send it again, or contact a platform engineer."
    )


class IdempotencyKeyRefused(TenantryError):
    """The `Idempotency-Key` is empty, too long, not printable ASCII, or sent twice."""

    slug = "idempotency-key-refused"
    title = "The idempotency key was refused"
    remedy = "Send one `Idempotency-Key` of 1 to 255 printable ASCII characters, or none."
    example = "Send one `Idempotency-Key` of 1 to 255 printable ASCII characters."
    status = 422


class IdempotencyKeyReused(TenantryError):
    """The `Idempotency-Key` was already used for another request."""

    slug = "idempotency-key-reused"
    title = "The idempotency key was used for another request"
    remedy = "Use a new key for each new request."
    example = "This `Idempotency-Key` was sent with another request. Use a new key for a new request."
    status = 422


class IdempotencyKeyBusy(Busy):
    """The first request with this `Idempotency-Key` is still in progress."""

    slug = "idempotency-key-busy"
    title = "The same request is in progress"
    remedy = "Send it again after `Retry-After` with the same key to get the first response."
    example = "The first request with this `Idempotency-Key` is in progress. Repeat it later."


PACKAGES = ("gateway", "tenancy", "servicekit")
"""Packages whose errors the gateway can return."""


def list_problem_types() -> list[type[TenantryError]]:
    """Return all problem types of this project, sorted by status and slug."""
    ours = (type_ for type_ in _list_subclasses(TenantryError) if type_.__module__.split(".")[0] in PACKAGES)
    return sorted({TenantryError, *ours}, key=lambda type_: (type_.status, type_.slug))


def _list_subclasses(type_: type[TenantryError]) -> Iterator[type[TenantryError]]:
    for subclass in type_.__subclasses__():
        if "slug" in vars(subclass):
            yield subclass
        yield from _list_subclasses(subclass)
