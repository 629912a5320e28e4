"""The documents in S3, each tenant's through a role session that reaches that tenant's prefix only."""

from .store import Stamp, StoredEntry, StoredObject, TenantObjects

__all__ = ["Stamp", "StoredEntry", "StoredObject", "TenantObjects"]
