"""The documents in S3, each tenant's through a role session that reaches that tenant's prefix only."""

from .store import Stamp, StoredEntry, StoredObject, TenantObjects
from .trash import Removal, StoredVersion, TrashObjects, removal_id

__all__ = [
    "Removal",
    "Stamp",
    "StoredEntry",
    "StoredObject",
    "StoredVersion",
    "TenantObjects",
    "TrashObjects",
    "removal_id",
]
