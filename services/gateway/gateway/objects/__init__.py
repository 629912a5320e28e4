"""Documents in S3. A role session limits every call to one tenant's prefix."""

from .store import ObjectVersion, StoredEntry, StoredObject, TenantObjects
from .trash import ObjectMetadata, Removal, TrashObjects, derive_removal_id

__all__ = [
    "ObjectMetadata",
    "ObjectVersion",
    "Removal",
    "StoredEntry",
    "StoredObject",
    "TenantObjects",
    "TrashObjects",
    "derive_removal_id",
]
