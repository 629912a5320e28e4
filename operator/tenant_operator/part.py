"""The verbs that every part has."""

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tenancy.model import Tenant

from .conditions import Verdict

__all__ = ["Ensured", "Leftovers", "Part"]

S = TypeVar("S")


@dataclass(frozen=True)
class Ensured:
    """What :meth:`Part.ensure` did: one line a write, and the part's section of the Tenant's status.

    An empty section leaves the one that is there. ``verdict`` is the part's condition where it is not just
    "as declared"; it holds nothing up.
    """

    changes: list[str] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Leftovers:
    """How many things of a tenant :meth:`Part.count` found, by what it looked for.

    ``not_scanned`` is the reason when the system was not scanned.
    """

    counts: dict[str, int] = field(default_factory=dict)
    not_scanned: str = ""


class Part(Protocol[S]):
    """One external system's share of a tenant.

    When the Tenant goes, its ``deletionPolicy`` decides between ``remove`` and ``forget``. All verbs raise
    :class:`tenancy.errors.RemoteUnavailable` when the system may answer later, and
    :class:`tenancy.errors.RemoteRefused` when a person has to act first.
    """

    name: str
    """``storage``: section of the status; the condition is ``StorageReady``."""

    after: str
    """Name of the part that goes first, well or not; empty for none."""

    async def observe(self, tenant: Tenant) -> S:
        """Return what is there now. What is absent is a value, never an exception."""
        ...

    async def ensure(self, tenant: Tenant, observed: S) -> Ensured:
        """Write only what differs from ``observed``; called again, it writes nothing."""
        ...

    async def remove(self, tenant: Tenant) -> None:
        """Return when nothing of the tenant is left. What is absent already is success."""
        ...

    async def count(self, tenant: Tenant) -> Leftovers:
        """Count everything of the tenant, under the same names each time, and write nothing."""
        ...

    async def forget(self, tenant: Tenant) -> None:
        """Return when no copy is left of what the tenant retains: nobody would keep it up to date."""
        ...
