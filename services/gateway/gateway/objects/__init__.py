"""The documents in S3, each tenant's through a role session that reaches that tenant's prefix only."""

from .store import ObjectVersion, StoredEntry, StoredObject, TenantObjects
from .trash import Removal, ObjectMetadata, TrashObjects, removal_id

__all__ = [
    "Removal",
    "ObjectVersion",
    "StoredEntry",
    "StoredObject",
    "ObjectMetadata",
    "TenantObjects",
    "TrashObjects",
    "removal_id",
]
