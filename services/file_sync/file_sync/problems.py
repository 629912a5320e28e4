"""Errors of file-sync; a subclass of TenantryError is one kind of problem document (RFC 9457)."""

from servicekit.errors import TenantryError

__all__ = [
    "ContentNotAvailable",
    "DeletionsHeld",
    "FileRefused",
    "HintRefused",
    "IngestRefused",
    "RetryLater",
    "UnsupportedSchema",
]


class UnsupportedSchema(TenantryError):
    """Open WebUI's database lacks a column, or the role lacks a privilege or has an extra privilege."""

    slug = "unsupported-schema"
    title = "The schema or the role of Open WebUI's database is not supported"
    remedy = "The log names the column or the right; grants.sql has the rights that the role needs."
    example = 'The role may not read "file"."path". Run grants.sql as the owner of Open WebUI\'s tables.'


class HintRefused(TenantryError):
    """The hint does not carry the secret of Open WebUI's function."""

    slug = "hint-refused"
    title = "The hint was refused"
    remedy = "Give the function `tenantry_events` the same secret as file-sync (`FILE_SYNC_HINT_SECRET`)."
    example = "The header X-Tenantry-Hint is missing or wrong."
    status = 401


class RetryLater(Exception):
    """The action cannot be done now; the next sync retries it."""


class ContentNotAvailable(RetryLater):
    """Open WebUI's bucket has no content for a file; the content may arrive later."""


class DeletionsHeld(Exception):
    """The gateway holds a deletion beyond the mass-deletion limit until an administrator decides."""


class FileRefused(Exception):
    """A file cannot become a document; the message is for its owner."""


class IngestRefused(Exception):
    """The gateway cannot index a stored document; its list of documents has the reason."""
