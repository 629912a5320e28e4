"""What the gateway refuses, and why: each class is one kind of problem document (RFC 9457).

The errors of identity and of external systems are :mod:`tenancy.errors`. The details here are shown to
callers, so they name what the caller sent and what to do, never another tenant's things.
"""

from typing import ClassVar

from tenancy.errors import TenantryError

__all__ = [
    "CollectionMissing",
    "CursorRefused",
    "DimensionMismatch",
    "DocumentEmpty",
    "DocumentForeign",
    "DocumentMissing",
    "DocumentRefused",
    "DocumentTooLarge",
    "DocumentUnreadable",
    "DocumentUnsupported",
    "FilenameRefused",
    "FormRefused",
    "ModelUnavailable",
    "PersonaMissing",
]


class DocumentRefused(TenantryError):
    """A document that is not taken. Nothing of it was stored."""

    slug: ClassVar[str] = "document-refused"
    title: ClassVar[str] = "The document was refused"
    status: ClassVar[int] = 422


class DocumentEmpty(DocumentRefused):
    """It has no bytes, or none that make text."""

    slug = "document-empty"
    title = "The document holds no text"


class DocumentTooLarge(DocumentRefused):
    """It has more bytes, chunks or unpacked content than one document may."""

    slug = "document-too-large"
    title = "The document is too large"
    status = 413


class DocumentUnreadable(DocumentRefused):
    """It is encrypted, corrupt, or reading it takes too much."""

    slug = "document-unreadable"
    title = "The document cannot be read"


class DocumentUnsupported(DocumentRefused):
    """It is of a format that is not read, or of another than its name says."""

    slug = "document-unsupported"
    title = "The document's format is not supported"
    status = 415


class DocumentMissing(TenantryError):
    """There is no such document in this tenant."""

    slug = "document-missing"
    title = "There is no such document"
    status = 404


class DocumentForeign(TenantryError):
    """The document is the tenant's, but not this person's to change."""

    slug = "document-foreign"
    title = "The document is somebody else's"
    status = 403


class FilenameRefused(TenantryError):
    """The file's name cannot be part of an object key, or cannot be shown."""

    slug = "filename-refused"
    title = "The file's name was refused"
    status = 422


class FormRefused(TenantryError):
    """The request is not the form that is expected."""

    slug = "invalid-request"
    title = "The request is not valid"
    status = 422


class CursorRefused(TenantryError):
    """The cursor is none that was given out for this list."""

    slug = "invalid-request"
    title = "The request is not valid"
    status = 422


class PersonaMissing(TenantryError):
    """The tenant has no such persona."""

    slug = "persona-missing"
    title = "There is no such persona"
    status = 404


class ModelUnavailable(TenantryError):
    """Bedrock does not (any more) serve the model that is configured."""

    slug = "model-unavailable"
    title = "The configured model is not available"
    status = 502


class CollectionMissing(TenantryError):
    """The tenant's collection has not been made yet."""

    slug = "tenant-not-ready"
    title = "The tenant is not ready"
    status = 503


class DimensionMismatch(TenantryError):
    """The collection holds vectors of another length than we make: starting would only spoil it."""

    slug = "dimension-mismatch"
    title = "The collection's dimension is not the configured one"
