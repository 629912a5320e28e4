"""The newest state of every Tenant as the watch showed it, and which changes are worth a reconcile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError
from tenancy.directory import Directory
from tenancy.model import Tenant

from .clients.cluster import FINALIZER
from .email_patterns import Claims

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
        self._newest = Directory()
        self._held: set[str] = set()  # uids of those that have, or had, our finalizer
        self._taken_down: set[str] = set()  # uids of those of which nothing is left to remove
        self._orphans: dict[str, Tenant] = {}
        self._log = structlog.get_logger("tenant_operator.tenant_store")

    def get(self, name: str) -> Tenant | None:
        """Return the newest state of a Tenant, or ``None`` when there is none."""
        return self._newest.get(name)

    def all(self) -> tuple[Tenant, ...]:
        """Return the newest state of every Tenant, in no particular order."""
        return self._newest.all()

    def admitting(self, email: str) -> Tenant | None:
        """Return the Tenant to which a verified address belongs: the oldest of those that claim it."""
        return min(self._newest.claimants(email), key=lambda tenant: tenant.seniority, default=None)

    def orphan(self, name: str) -> Tenant | None:
        """Return the last state of a Tenant that vanished before what was made for it was removed."""
        return self._orphans.get(name)

    def orphans(self) -> tuple[Tenant, ...]:
        """Return the last state of every such Tenant."""
        return tuple(self._orphans.values())

    def forget_orphan(self, name: str) -> None:
        """Forget such a Tenant: nothing is left of it, or somebody was informed."""
        self._orphans.pop(name, None)

    def note_taken_down(self, tenant: Tenant) -> None:
        """Take note that nothing is left to do for a Tenant that is deleted: it is no orphan when it goes."""
        self._taken_down.add(tenant.metadata.uid)

    def see(self, body: Mapping[str, Any], *, deleted: bool = False) -> Seen:
        """Take note of an event and say what has to be reconciled.

        Our own writes (finalizer, status) come back as events, too; they change no generation, and are
        no reason to look at four external systems again. A living Tenant without our finalizer is always
        one, and an urgent one: whoever replaces an object by a manifest without finalizers takes it away.
        """
        name = body["metadata"]["name"]
        before = self._newest.get(name)
        try:
            tenant = Tenant.from_object(body)
        except ValidationError as exc:
            self._log.exception("Cannot read a Tenant", tenant=name, errors=exc.errors(include_input=False))
            return Seen()
        if before and _is_late(tenant, before):
            return Seen()
        rivals = self.claims.rivals(before) if before else []
        if before and before.metadata.uid != tenant.metadata.uid:
            # It was made again, and the event between came with this one.
            self._note_finalizer(before, deleted=True)
        orphaned = self._note_finalizer(tenant, deleted=deleted)
        if deleted:
            self._newest.discard(name)
            self.claims.drop(name)
            names = [rival.id for rival in rivals]
            return Seen((name, *names) if orphaned else tuple(names))
        self._newest.put(tenant)
        unprotected = not (_is_held(tenant) or tenant.deleting)
        if before and _trigger(before) == _trigger(tenant) and not unprotected:
            return Seen()
        self.claims.put(tenant)
        # Whoever shared addresses with it, before or now, may be free of a conflict, or have got one.
        affected = {rival.id for rival in (*rivals, *self.claims.rivals(tenant))}
        return Seen((name, *sorted(affected)), urgent=unprotected)

    def _note_finalizer(self, tenant: Tenant, *, deleted: bool) -> bool:
        """Keep track of our finalizer; return whether a Tenant is gone and has left something behind.

        That the finalizer of a Tenant which is being deleted is gone proves nothing: people take it away from
        a deletion that waits for a system.
        """
        uid = tenant.metadata.uid
        if _is_held(tenant):
            self._held.add(uid)
        if not deleted:
            return False
        orphaned = uid not in self._taken_down and (uid in self._held or tenant.status.has_sections)
        self._held.discard(uid)
        self._taken_down.discard(uid)
        if orphaned:
            self._orphans[tenant.id] = tenant
        return orphaned


def _is_held(tenant: Tenant) -> bool:
    return FINALIZER in tenant.metadata.finalizers


def _is_late(tenant: Tenant, newest: Tenant) -> bool:
    """Return True for an event of an earlier Tenant of the name, whose end was noted when the newest came.

    The watch is in order, but kopf passes the events of each uid on by themselves: the creation of a Tenant
    overtakes the deletion of its predecessor when both are read together, as after a pause of this process.
    """
    return tenant.uid != newest.uid and _version(tenant) < _version(newest)


def _version(tenant: Tenant) -> int:
    # Comparable by Kubernetes' promise (KEP-5504); the version of a deletion is later than all before it.
    return int(tenant.metadata.resource_version or 0)


def _trigger(tenant: Tenant) -> tuple[object, ...]:
    return (tenant.metadata.uid, tenant.metadata.generation, tenant.deleting)
