"""Where a list goes on, as something that a caller hands back unread."""

import base64
import binascii

from tenancy.model import Tenant
from tenancy.names import tenant_prefix

from ..problems import CursorRefused

__all__ = ["from_cursor", "to_cursor"]


def to_cursor(tenant: Tenant, key: str) -> str | None:
    """Return the cursor for an object key; ``None`` for none."""
    inside = key.removeprefix(tenant_prefix(tenant.id))
    return base64.urlsafe_b64encode(inside.encode()).decode() if key else None


def from_cursor(tenant: Tenant, cursor: str | None) -> str:
    """Return the object key that a cursor stands for, always one of the tenant's own; empty for none.

    Raises
    ------
    CursorRefused
        It is no cursor.
    """
    if cursor is None:
        return ""
    try:
        inside = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise CursorRefused("`cursor` must be a `nextCursor` of this list, or be left out.") from exc
    return f"{tenant_prefix(tenant.id)}{inside}"
