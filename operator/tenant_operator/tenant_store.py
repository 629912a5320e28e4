"""Cache of Tenants: the newest state of each from the watch, and the reconciles after a change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError
from tenancy.directory import Directory
from tenancy.model import Tenant, get_tenant_class

from .clients.cluster import FINALIZER
from .email_patterns import EmailPatternIndex

__all__ = ["Affected", "TenantStore"]


@dataclass(frozen=True)
class Affected:
    """Names of the Tenants that have to be reconciled after an event; ``urgent`` is about the first name."""

    names: tuple[str, ...] = ()
    urgent: bool = False


class TenantStore:
    """Newest state of every known Tenant of one class. Tenants of other classes are never reconciled.

    Parameters
    ----------
    tenant_class
        Class of the Tenants.
    """

    def __init__(self, tenant_class: str) -> None:
        self._tenant_class = tenant_class
        self.email_patterns = EmailPatternIndex()
        self._newest = Directory()
        # uids of Tenants that have, or had, this operator's finalizer
        self._uids_with_finalizer: set[str] = set()
        self._finalized: set[str] = set()  # uids of deleted Tenants with nothing left to remove
        self._orphans: dict[str, Tenant] = {}
        self._names_of_others: dict[str, str] = {}  # uids of the Tenants of other classes, by name
        self._log = structlog.get_logger("tenant_operator.tenant_store")

    def get(self, name: str) -> Tenant | None:
        """Return the newest state of a Tenant, or ``None``."""
        return self._newest.get(name)

    def list_all(self) -> tuple[Tenant, ...]:
        """Return the newest state of every Tenant, in no particular order."""
        return self._newest.list_tenants()

    def get_by_email(self, email: str) -> Tenant | None:
        """Return the oldest Tenant that claims a verified address: the address belongs to it."""
        return min(self._newest.find_by_email(email), key=lambda tenant: tenant.seniority, default=None)

    def get_orphan(self, name: str) -> Tenant | None:
        """Return the last state of a Tenant that was deleted before the operator removed its data."""
        return self._orphans.get(name)

    def list_orphans(self) -> tuple[Tenant, ...]:
        """Return the last state of every Tenant that was deleted before the operator removed its data."""
        return tuple(self._orphans.values())

    def remove_orphan(self, name: str) -> None:
        """Forget an orphan after its data was removed or reported."""
        self._orphans.pop(name, None)

    def mark_finalized(self, tenant: Tenant) -> None:
        """Record that a deleted Tenant has no data left, so that it does not become an orphan."""
        self._finalized.add(tenant.metadata.uid)

    def update(self, body: Mapping[str, Any], *, deleted: bool = False) -> Affected:
        """Record an event of the watch, and return the Tenants to reconcile.

        The operator's writes (finalizer, status) return as events, too. They do not change the generation,
        and require no reconcile. A Tenant without the operator's finalizer always requires an urgent
        reconcile: replacing an object by a manifest without finalizers removes the finalizer.
        """
        name = body["metadata"]["name"]
        before = self._newest.get(name)
        if get_tenant_class(body) != self._tenant_class:
            return self._update_other_class(body, deleted=deleted)
        try:
            tenant = Tenant.from_object(body)
        except ValidationError as exc:
            self._log.exception("Cannot read a Tenant", tenant=name, errors=exc.errors(include_input=False))
            return Affected()
        if before and _is_late(tenant, before):
            return Affected()
        conflicts = self.email_patterns.list_conflicts(before) if before else []
        if before and before.metadata.uid != tenant.metadata.uid:
            # The Tenant was created again, and this event also carries the deletion in between.
            self._track_finalizer(before, deleted=True)
        orphaned = self._track_finalizer(tenant, deleted=deleted)
        if deleted:
            self._newest.discard(name)
            self.email_patterns.remove(name)
            names = [other.id for other in conflicts]
            return Affected((name, *names) if orphaned else tuple(names))
        self._newest.put(tenant)
        self._names_of_others.pop(name, None)
        unprotected = not (_has_finalizer(tenant) or tenant.deleting)
        if before and _get_trigger(before) == _get_trigger(tenant) and not unprotected:
            return Affected()
        self.email_patterns.put(tenant)
        # For Tenants with the same addresses, before or now, a conflict may have ended or begun.
        affected = {other.id for other in (*conflicts, *self.email_patterns.list_conflicts(tenant))}
        return Affected((name, *sorted(affected)), urgent=unprotected)

    def _update_other_class(self, body: Mapping[str, Any], *, deleted: bool) -> Affected:
        """Record an event of another class's Tenant, and return the Tenants whose conflicts may have ended.

        A class cannot be changed. So if this class had a Tenant of the name, it was deleted before.
        """
        name, uid = body["metadata"]["name"], body["metadata"].get("uid", "")
        before = self._newest.get(name)
        if before and int(body["metadata"].get("resourceVersion") or 0) < _parse_version(before):
            return Affected()  # a late event of an earlier Tenant, as in _is_late
        if deleted:
            if self._names_of_others.get(name) == uid:
                del self._names_of_others[name]
            return Affected()
        conflicts = self.email_patterns.list_conflicts(before) if before else []
        if before:
            self._track_finalizer(before, deleted=True)
        if self._orphans.pop(name, None):
            self._log.error("Data of an earlier Tenant remains: its name is another class's now", tenant=name)
        self._names_of_others[name] = uid
        self._newest.discard(name)
        self.email_patterns.remove(name)
        return Affected(tuple(other.id for other in conflicts))

    def _track_finalizer(self, tenant: Tenant, *, deleted: bool) -> bool:
        """Record the state of the finalizer; return True for a deleted Tenant whose data remains.

        A missing finalizer during a deletion proves nothing: people remove it when a deletion waits for an
        external system.
        """
        uid = tenant.metadata.uid
        if _has_finalizer(tenant):
            self._uids_with_finalizer.add(uid)
        if not deleted:
            return False
        orphaned = uid not in self._finalized and (
            uid in self._uids_with_finalizer or tenant.status.has_sections
        )
        self._uids_with_finalizer.discard(uid)
        self._finalized.discard(uid)
        if orphaned and tenant.id in self._names_of_others:
            return False  # data under the name may be the other class's, so nothing is removed
        if orphaned:
            self._orphans[tenant.id] = tenant
        return orphaned


def _has_finalizer(tenant: Tenant) -> bool:
    return FINALIZER in tenant.metadata.finalizers


def _is_late(tenant: Tenant, newest: Tenant) -> bool:
    """Return True for a late event of an earlier Tenant, whose deletion is already recorded.

    The watch is in order, but kopf passes on the events of each uid separately. When both are read together
    (after a pause of this process), a Tenant's creation can overtake its predecessor's deletion.
    """
    return tenant.uid != newest.uid and _parse_version(tenant) < _parse_version(newest)


def _parse_version(tenant: Tenant) -> int:
    # Kubernetes guarantees the order of versions (KEP-5504); a deletion has an object's latest version.
    return int(tenant.metadata.resource_version or 0)


def _get_trigger(tenant: Tenant) -> tuple[object, ...]:
    return (tenant.metadata.uid, tenant.metadata.generation, tenant.deleting)
