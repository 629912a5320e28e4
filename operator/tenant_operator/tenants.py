"""The newest state of every Tenant as the watch showed it, and which changes are worth a reconcile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError
from tenancy.model import Tenant

from .claims import Claims

__all__ = ["Seen", "Tenants"]


@dataclass(frozen=True)
class Seen:
    """What an event means: the Tenants that have to be reconciled, and whether the first is a new one."""

    names: tuple[str, ...] = ()
    urgent: bool = False


class Tenants:
    """Every Tenant that is known."""

    def __init__(self) -> None:
        self.claims = Claims()
        self._newest: dict[str, Tenant] = {}
        self._log = structlog.get_logger("tenant_operator.tenants")

    def get(self, name: str) -> Tenant | None:
        """Return the newest state of a Tenant, or ``None`` when there is none."""
        return self._newest.get(name)

    def see(self, body: Mapping[str, Any], *, deleted: bool = False) -> Seen:
        """Take note of an event and say what has to be reconciled.

        Our own writes (finalizer, status) come back as events, too; they change no generation, and are
        no reason to look at four external systems again.
        """
        name = body["metadata"]["name"]
        before = self._newest.get(name)
        try:
            tenant = Tenant.from_object(body)
        except ValidationError as exc:
            self._log.exception("Cannot read a Tenant", tenant=name, errors=exc.errors(include_input=False))
            return Seen()
        rivals = self.claims.rivals(before) if before else []
        if deleted:
            self._newest.pop(name, None)
            self.claims.drop(name)
            return Seen(tuple(rival.id for rival in rivals))
        self._newest[name] = tenant
        if before and _trigger(before) == _trigger(tenant):
            return Seen()
        self.claims.put(tenant)
        # Whoever shared addresses with it, before or now, may be free of a conflict, or have got one.
        affected = {rival.id for rival in (*rivals, *self.claims.rivals(tenant))}
        return Seen((name, *sorted(affected)), urgent=tenant.status.observed_generation is None)


def _trigger(tenant: Tenant) -> tuple[object, ...]:
    return (tenant.metadata.uid, tenant.metadata.generation, tenant.deleting)
