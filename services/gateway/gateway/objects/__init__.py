"""Documents in S3. A role session limits every call to one tenant's prefix."""

from .store import ObjectVersion, StoredEntry, StoredObject, TenantObjects
from .trash import ObjectMetadata, Removal, TrashObjects, removal_id

__all__ = [
    "ObjectMetadata",
    "ObjectVersion",
    "Removal",
    "StoredEntry",
    "StoredObject",
    "TenantObjects",
    "TrashObjects",
    "removal_id",
]
