"""What file-sync refuses, and why: each class is one kind of problem (RFC 9457)."""

from servicekit.errors import TenantryError

__all__ = [
    "DeletionHeld",
    "FileAway",
    "FileRefused",
    "HintRefused",
    "IngestRefused",
    "Postponed",
    "SourceUnfit",
]


class SourceUnfit(TenantryError):
    """Open WebUI's database is not as file-sync knows it, or its role may do too little or too much."""

    slug = "source-unfit"
    title = "Open WebUI's database does not fit"
    remedy = "The log names the column or the right; grants.sql is what the role needs."
    example = 'The role may not read "file"."path". Run grants.sql as the owner of Open WebUI\'s tables.'


class HintRefused(TenantryError):
    """The hint does not carry the secret that Open WebUI's function was given."""

    slug = "hint-refused"
    title = "The hint was refused"
    remedy = "Give the function `tenantry_events` the same secret as file-sync (`FILE_SYNC_HINT_SECRET`)."
    example = "The header X-Tenantry-Hint is missing or wrong."
    status = 401


class Postponed(Exception):
    """Not now; the next comparison sees it again."""


class FileAway(Postponed):
    """Open WebUI's bucket has no content for a file (yet)."""


class DeletionHeld(Exception):
    """The gateway holds a deletion until an administrator of the tenant releases or rejects it."""


class FileRefused(Exception):
    """A file is no good as it is in Open WebUI's bucket; the words are for its owner."""


class IngestRefused(Exception):
    """The gateway will not index what is stored; the list of documents says why."""
