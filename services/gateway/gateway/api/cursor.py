"""Opaque cursors of paginated lists."""

import base64
import binascii

from tenancy.model import Tenant
from tenancy.names import build_tenant_prefix

from ..problems import CursorRefused

__all__ = ["from_cursor", "to_cursor"]


def to_cursor(tenant: Tenant, key: str) -> str | None:
    """Return the cursor of an object key, relative to the tenant's prefix; ``None`` without a key."""
    position = key.removeprefix(build_tenant_prefix(tenant.id))
    return base64.urlsafe_b64encode(position.encode()).decode() if key else None


def from_cursor(tenant: Tenant, cursor: str | None) -> str:
    """Return the object key of a cursor, always below the tenant's prefix; empty without a cursor.

    Raises
    ------
    CursorRefused
        The cursor cannot be decoded.
    """
    if cursor is None:
        return ""
    try:
        position = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise CursorRefused("`cursor` must be a `nextCursor` of this list, or be omitted.") from exc
    return f"{build_tenant_prefix(tenant.id)}{position}"
