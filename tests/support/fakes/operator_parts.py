"""Fakes of the operator's parts, receipt store and Tenant writer."""

import asyncio
from typing import TYPE_CHECKING, Any

from servicekit.errors import BackendUnavailable
from tenancy.model import StatusSection, Tenant
from tenant_operator.clients.cluster import FINALIZER
from tenant_operator.part import EnsureResult

if TYPE_CHECKING:
    from tenant_operator.conditions import ConditionResult

__all__ = ["FakePart", "FakeReceipts", "FakeWriter", "add_finalizer"]


class FakePart:
    """Part that succeeds, or raises ``fails`` if set; ``condition`` replaces its condition.

    ``holds`` is the number of the tenant's objects; ``keeps`` is the number that remain after a removal.
    """

    section: type[StatusSection] | None = None
    retained: tuple[str, ...] = ()

    def __init__(self, name: str, log: list[str], fails: Exception | None = None, after: str = "") -> None:
        self.name = name
        self.after = after
        self.fails = fails
        self.condition: ConditionResult | None = None
        self.made = False
        self.holds = 0
        self.keeps = 0
        self.log = log

    async def observe(self, tenant: Tenant) -> bool:
        self.log.append(f"observe {self.name}")
        if self.fails:
            raise self.fails
        return self.made

    async def ensure(self, tenant: Tenant, observed: bool) -> EnsureResult:
        await asyncio.sleep(0)
        self.log.append(f"ensure {self.name}")
        self.made = True
        return EnsureResult(
            [] if observed else [f"make {self.name}"], _SECTIONS.get(self.name, {}), self.condition
        )

    async def remove(self, tenant: Tenant) -> None:
        self.log.append(f"remove {self.name}")
        if self.fails:
            raise self.fails
        self.made = False
        self.holds = min(self.holds, self.keeps)

    async def count(self, tenant: Tenant) -> dict[str, int]:
        self.log.append(f"count {self.name}")
        if self.fails:
            raise self.fails
        return {f"things of {self.name}": self.holds}

    async def release(self, tenant: Tenant) -> None:
        self.log.append(f"release {self.name}")
        if self.fails:
            raise self.fails


class FakeReceipts:
    """Receipt store in memory; ``fails_at`` is the number of the write that fails, counted from 1."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.objects: dict[str, bytes] = {}
        self.fails: Exception | None = None
        self.fails_at = 0
        self._writes = 0

    async def read(self, key: str) -> bytes | None:
        return self.objects.get(key)

    async def write(self, key: str, body: bytes) -> None:
        self.log.append(f"write {key}")
        self._writes += 1
        if self.fails or self._writes == self.fails_at:
            raise self.fails or BackendUnavailable("s3", "put-receipt", "unavailable")
        self.objects[key] = body


class FakeWriter:
    """Tenant writer that records every write in order."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.status: dict[str, Any] = {}
        self.events: list[tuple[bool, str, str]] = []
        self.fails_events: Exception | None = None
        self.gone = False

    async def add_finalizer(self, tenant: Tenant) -> bool:
        self.log.append("add finalizer")
        return not self.gone

    async def remove_finalizer(self, tenant: Tenant) -> None:
        self.log.append("remove finalizer")

    async def write_status(self, tenant: Tenant, status: dict[str, Any]) -> None:
        self.log.append("write status")
        self.status = status

    async def record_event(self, tenant: Tenant, *, warning: bool, reason: str, note: str) -> None:
        if self.fails_events:
            raise self.fails_events
        self.events.append((warning, reason, note))


_SECTIONS: dict[str, dict[str, Any]] = {
    "storage": {"bucket": "documents", "prefix": "tenant-acme/"},
    "identity": {"realm": "tenantry", "groupId": "1", "groupPath": "/tenants/tenant-acme"},
    "quota": {"namespace": ""},
}


def add_finalizer(tenant: Tenant) -> Tenant:
    """Return the Tenant with the operator's finalizer."""
    metadata = tenant.metadata.model_copy(update={"finalizers": [FINALIZER]})
    return tenant.model_copy(update={"metadata": metadata})
