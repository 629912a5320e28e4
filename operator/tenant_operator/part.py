"""Protocol of a part: the operator's adapter for one external system."""

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from tenancy.model import StatusSection, Tenant

from .conditions import ConditionResult

__all__ = ["EnsureResult", "Part"]

S = TypeVar("S")


@dataclass(frozen=True)
class EnsureResult:
    """Result of :meth:`Part.ensure`: one line for each write, and the part's section of the status.

    With an empty section, the Tenant keeps the section that it has. ``condition`` replaces the part's
    condition "as declared" and does not affect ``Ready``.
    """

    changes: list[str] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    condition: ConditionResult | None = None


class Part(Protocol[S]):
    """Everything that the operator keeps for a tenant in one external system.

    When a Tenant is deleted, its ``deletionPolicy`` decides between ``remove`` and ``release``. Every method
    raises :class:`servicekit.errors.BackendUnavailable` when a retry may help, and
    :class:`servicekit.errors.BackendRefused` when a person has to act first. The reference of the Tenant
    resource quotes the first line of the class docstring.
    """

    @property
    def name(self) -> str:
        """Name in conditions, metrics and receipts: the condition of ``storage`` is ``StorageReady``."""
        ...

    @property
    def after(self) -> str:
        """Name of the part that this part waits for, whether that part succeeds or fails; empty for none."""
        ...

    @property
    def section(self) -> type[StatusSection] | None:
        """Model of the section ``status.{name}``; ``None`` for a part without a section."""
        ...

    @property
    def retained(self) -> tuple[str, ...]:
        """Prefixes of the counters of :meth:`count` that may be above 0 after :meth:`release`."""
        ...

    async def observe(self, tenant: Tenant) -> S:
        """Return the current state. An absent object is a value, never an exception."""
        ...

    async def ensure(self, tenant: Tenant, observed: S) -> EnsureResult:
        """Write only the differences from ``observed``. A second call writes nothing."""
        ...

    async def remove(self, tenant: Tenant) -> None:
        """Remove everything of the tenant, and return when nothing remains. Absent objects are a success."""
        ...

    async def count(self, tenant: Tenant) -> dict[str, int]:
        """Return counters: the number of objects by name. The names are constant; it writes nothing."""
        ...

    async def release(self, tenant: Tenant) -> None:
        """Remove copies and access rights, which nothing updates later, of a Tenant with retained data."""
        ...
