"""Problems that the gateway returns: each class is one kind of problem document (RFC 9457).

Errors of identity are in :mod:`tenancy.errors`, those of external systems in :mod:`servicekit.errors`.
Callers see the details, so these name what the caller sent and what to do, never another tenant's data.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from servicekit.errors import TenantryError

__all__ = [
    "AdminOnly",
    "BudgetExhausted",
    "Busy",
    "CollectionMissing",
    "CursorRefused",
    "DeletionsHeld",
    "DimensionMismatch",
    "DocumentBusy",
    "DocumentEmpty",
    "DocumentExists",
    "DocumentForeign",
    "DocumentMissing",
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
    "TrashMissing",
    "WritesUnavailable",
    "kinds",
]


class DocumentRefused(TenantryError):
    """A document that is not taken. Nothing of it was stored."""

    status: ClassVar[int] = 422


class DocumentEmpty(DocumentRefused):
    """The file has no bytes, or none that make text."""

    slug = "document-empty"
    title = "The document holds no text"
    remedy = "Send a file with text in it; pictures of text are not read."
    example = "The PDF file holds no text. A scan must be recognised (OCR) first."


class DocumentTooLarge(DocumentRefused):
    """The file has more bytes, chunks or unpacked content than one document may."""

    slug = "document-too-large"
    title = "The document is too large"
    remedy = "Split the document and send its parts."
    example = "The file has more than 52428800 bytes."
    status = 413


class DocumentUnreadable(DocumentRefused):
    """The file is encrypted or damaged, or reading it takes too much."""

    slug = "document-unreadable"
    title = "The document cannot be read"
    remedy = "Save it anew, without a password, in one of the formats that are read."
    example = "The PDF is encrypted. Remove its password and send it again."


class DocumentUnsupported(DocumentRefused):
    """The file is of a format that is not read, or of another than its name says."""

    slug = "document-unsupported"
    title = "The document's format is not supported"
    remedy = "Send one of the [formats that are read](formats.md), with the ending of its own format."
    example = "The file is not encoded in UTF-8. Save it as UTF-8."
    status = 415


class DocumentMissing(TenantryError):
    """There is no such document in this tenant."""

    slug = "document-missing"
    title = "There is no such document"
    remedy = "List the documents; it may have been deleted."
    example = "The tenant has no document of that id."
    status = 404


class TrashMissing(TenantryError):
    """The tenant's trash has no such document, or it cannot be restored any more."""

    slug = "trash-missing"
    title = "There is no such document in the trash"
    remedy = "List the trash: a document leaves it when it is restored, and when its time is over."
    example = "The trash holds no document of that id."
    status = 404


class DocumentExists(TenantryError):
    """A document of the same name in the same persona is there already."""

    slug = "document-exists"
    title = "A document of that name exists"
    remedy = (
        "To restore another one, delete the present document, too, and restore by `removalId`. To upload a "
        "new version of what came through Open WebUI, upload it there."
    )
    example = (
        "The persona has a document named budget-2026.pdf already. Delete that one first: it goes to the "
        "trash, too, and each can be restored by its `removalId`."
    )
    status = 409


class DocumentForeign(TenantryError):
    """The document is the tenant's, but not this person's to change."""

    slug = "document-foreign"
    title = "The document is somebody else's"
    remedy = "Ask its owner or one of the tenant's administrators."
    example = "Only its owner and the tenant's administrators may delete a document."
    status = 403


class FilenameRefused(TenantryError):
    """The file's name cannot be part of an object key, or cannot be shown."""

    slug = "filename-refused"
    title = "The file's name was refused"
    remedy = "Rename the file: a plain name of at most 255 bytes, without `/`, `\\` and control characters."
    example = "The file's name must not hold a slash or a backslash."
    status = 422


class MediaTypeRefused(TenantryError):
    """The body is of a media type that the operation does not take."""

    slug = "media-type-refused"
    title = "The body's media type is not taken"
    status = 415
    remedy = "Send the document as a form: `multipart/form-data`."
    example = "Send a form: multipart/form-data with `file` and `personaId`."


class CursorRefused(TenantryError):
    """The cursor is none that was given out for this list."""

    slug = "cursor-refused"
    title = "The cursor was refused"
    remedy = "Begin again without `cursor`, or send a `nextCursor` as it was given."
    example = "`cursor` must be a `nextCursor` of this list, or be left out."
    status = 422


class PersonaMissing(TenantryError):
    """The tenant has no such persona."""

    slug = "persona-missing"
    title = "There is no such persona"
    remedy = "Name one of the personas that `GET /v1/models` lists."
    example = "The tenant has no such persona. Choose one of `personas`."
    members: ClassVar[Mapping[str, Any]] = {"personas": ["finance", "legal"]}
    status = 404


class ModelUnavailable(TenantryError):
    """Bedrock does not (any more) serve the model that is configured."""

    slug = "model-unavailable"
    title = "The configured model is not available"
    remedy = (
        "Tell the operators: `spec.model.chat` of the Tenant or `GATEWAY_CHAT_MODEL` must name a "
        "model that Bedrock serves in this region and account."
    )
    example = (
        "Bedrock does not offer anthropic.claude-v1 to this account (any more). Name a current model in the "
        "Tenant's spec.model.chat or in the gateway's settings."
    )
    members: ClassVar[Mapping[str, Any]] = {"model": "anthropic.claude-v1"}
    status = 502


class CollectionMissing(TenantryError):
    """The tenant's collection has not been made yet."""

    slug = "tenant-not-ready"
    title = "The tenant is not ready"
    remedy = "Try again after `Retry-After`; a new Tenant is ready within seconds."
    example = "The tenant's collection has not been made yet. Try again when its Tenant is Ready."
    status = 503


class DimensionMismatch(TenantryError):
    """The collection holds vectors of another length than we make: starting would only spoil it."""

    slug = "dimension-mismatch"
    title = "The collection's dimension is not the configured one"
    remedy = "Set `GATEWAY_EMBEDDING_DIMENSION` to the collection's, or ingest into a new collection."
    example = (
        "Collection documents holds dense vectors of 1024 numbers, but GATEWAY_EMBEDDING_DIMENSION is 768."
    )


class Overloaded(TenantryError):
    """There are more requests than can be served. Nothing of this one was done."""

    slug = "overloaded"
    title = "Too many requests at once"
    remedy = "Try again after `Retry-After`."
    example = "Too many requests are waiting already. Nothing was done. Try again in a moment."
    status = 503


class AdminOnly(TenantryError):
    """The person is not one of the tenant's administrators."""

    slug = "admin-only"
    title = "Only administrators may do this"
    remedy = "Ask one of the tenant's administrators."
    example = "Only the tenant's administrators see this. Its Tenant names them."
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
    example = "The tenant may ask 60 times a minute. Try again in 31 seconds."
    members: ClassVar[Mapping[str, Any]] = {"limit": 60}


class BudgetExhausted(LimitReached):
    """What is left of the tenant's tokens for this month does not cover the answer."""

    slug = "budget-exhausted"
    title = "The month's tokens are used up"
    remedy = (
        "Wait for the next month, or have `spec.quota.tokensPerMonth` of the Tenant raised. Searches go on."
    )
    example = (
        "The tenant may use 5000000 tokens a month. 4999310 are used, answers under way hold 0, and this one "
        "may take 1800. The count starts anew at 2026-12-01T00:00:00Z. Ask for a higher limit, or wait."
    )
    members: ClassVar[Mapping[str, Any]] = {
        "limit": 5000000,
        "used": 4999310,
        "resetsAt": "2026-12-01T00:00:00Z",
    }


class QuotaExceeded(TenantryError):
    """The tenant has no room for the document: `quota` names `documents` or `storage`."""

    slug = "quota-exceeded"
    title = "The tenant's quota is used up"
    remedy = "Delete documents, or have `spec.quota` of the Tenant raised."
    example = "The tenant may store 1000 and has stored 1000 documents. Delete documents, or ask for more."
    members: ClassVar[Mapping[str, Any]] = {"quota": "documents", "limit": 1000, "used": 1000}
    status = 403


class LimitsUnavailable(TenantryError):
    """What the tenant has used cannot be counted, so nothing more is used."""

    slug = "limits-unavailable"
    title = "Limits cannot be checked right now"
    remedy = "Try again after `Retry-After`: Redis cannot be reached. Searches go on."
    example = "The tokens of this month cannot be counted right now. Try again in a moment."
    status = 503


class WritesUnavailable(TenantryError):
    """Who writes what cannot be agreed on, so nothing more is written."""

    slug = "writes-unavailable"
    title = "Documents cannot be written right now"
    remedy = "Try again after `Retry-After`: Redis cannot be reached. What was begun is completed by itself."
    example = "Who writes the document cannot be agreed on right now. Try again in a moment."
    status = 503


class Busy(TenantryError):
    """Somebody else is at it.

    Parameters
    ----------
    retry_after
        Seconds until it is worth another try.
    """

    status: ClassVar[int] = 409
    retryable: ClassVar[bool] = True

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class DocumentBusy(Busy):
    """The document is being written or deleted by another request."""

    slug = "document-busy"
    title = "The document is being written"
    remedy = "Try again after `Retry-After`."
    example = "Another request is writing the document. Try again when it is done."


class DeletionsHeld(Busy):
    """So many documents would be deleted within minutes that an administrator has to agree."""

    slug = "deletions-held"
    title = "Too many deletions in a short time"
    remedy = (
        "An administrator of the tenant releases them (`POST /v1/deletions/release`), or rejects them "
        "(`POST /v1/deletions/reject`). Or wait: it is a limit for each ten minutes."
    )
    example = (
        "More than 20 documents of the tenant would be deleted within 10 minutes, so this one is kept. An "
        "administrator of the tenant sees the held deletions with `GET /v1/deletions`, and releases them "
        "with `POST /v1/deletions/release` or rejects them with `POST /v1/deletions/reject`."
    )


class IndexingFailed(TenantryError):
    """A stored document could not be indexed, or deleted, again and again."""

    slug = "indexing-failed"
    title = "The document could not be completed"
    remedy = "Send the document again; if it fails again, tell the operators."
    example = (
        "It could not be indexed in 5 attempts; the last one said: A backend is not available right now. Try "
        "again; if it persists, ask your administrators. Send it again, or tell the operators."
    )


class IdempotencyKeyRefused(TenantryError):
    """The `Idempotency-Key` is empty, too long or not printable ASCII, or there are two."""

    slug = "idempotency-key-refused"
    title = "The idempotency key was refused"
    remedy = "Send one `Idempotency-Key` of 1 to 255 printable ASCII characters, or none."
    example = "Send one `Idempotency-Key` of 1 to 255 printable ASCII characters."
    status = 422


class IdempotencyKeyReused(TenantryError):
    """The `Idempotency-Key` was sent before, with another request."""

    slug = "idempotency-key-reused"
    title = "The idempotency key was used for another request"
    remedy = "Make a new key for each new request."
    example = "This `Idempotency-Key` was sent with another request. Use a new key for a new request."
    status = 422


class IdempotencyKeyBusy(Busy):
    """The first request with this `Idempotency-Key` is still under way."""

    slug = "idempotency-key-busy"
    title = "The same request is under way"
    remedy = "Ask again after `Retry-After`, with the same key: you get the first request's answer."
    example = "The first request with this `Idempotency-Key` is still under way. Ask again for its answer."


PACKAGES = ("gateway", "tenancy", "servicekit")
"""Packages whose errors this service can return."""


def kinds() -> list[type[TenantryError]]:
    """Return all kinds of problems of ours that have a type of their own, by status and type."""
    ours = (kind for kind in _below(TenantryError) if kind.__module__.split(".")[0] in PACKAGES)
    return sorted({TenantryError, *ours}, key=lambda kind: (kind.status, kind.slug))


def _below(kind: type[TenantryError]) -> Iterator[type[TenantryError]]:
    for each in kind.__subclasses__():
        if "slug" in vars(each):
            yield each
        yield from _below(each)
