"""Which Tenants claim the same e-mail addresses.

Kept as an index by the last two labels of the domain, which every pattern has to write out: two patterns
that could match one address always share them, so most Tenants need not be looked at.
"""

from collections import defaultdict
from collections.abc import Iterable

from tenancy.emails import overlap
from tenancy.model import Tenant

__all__ = ["Claims"]


class Claims:
    """The patterns of all Tenants that are known."""

    def __init__(self) -> None:
        self._tenants: dict[str, Tenant] = {}
        self._by_domain: defaultdict[str, set[str]] = defaultdict(set)

    def put(self, tenant: Tenant) -> None:
        """Take note of a Tenant, new or changed."""
        self.drop(tenant.id)
        self._tenants[tenant.id] = tenant
        for domain in _domains(tenant):
            self._by_domain[domain].add(tenant.id)

    def drop(self, tenant_id: str) -> None:
        """Forget a Tenant."""
        tenant = self._tenants.pop(tenant_id, None)
        for domain in _domains(tenant) if tenant else ():
            self._by_domain[domain].discard(tenant_id)

    def rivals(self, tenant: Tenant) -> list[Tenant]:
        """Return the Tenants that claim an address that this one claims, too; the oldest first."""
        near = set().union(*(self._by_domain[domain] for domain in _domains(tenant))) - {tenant.id}
        found = (self._tenants[tenant_id] for tenant_id in near)
        return sorted((each for each in found if _shared(tenant, each)), key=lambda each: each.seniority)

    def conflict(self, tenant: Tenant) -> str | None:
        """Return what is wrong when an older Tenant claims the same addresses, else ``None``."""
        older = [rival for rival in self.rivals(tenant) if rival.seniority < tenant.seniority]
        if not older:
            return None
        mine, theirs = _shared(tenant, older[0])[0]
        return (
            f"the e-mail pattern {mine} overlaps with {theirs} of the older Tenant {older[0].id}; "
            "change one of the two"
        )


def _shared(first: Tenant, second: Tenant) -> list[tuple[str, str]]:
    return [
        (mine, theirs)
        for mine in first.spec.email_patterns
        for theirs in second.spec.email_patterns
        if overlap(mine, theirs)
    ]


def _domains(tenant: Tenant) -> Iterable[str]:
    return {
        ".".join(pattern.casefold().split(".")[-2:]).rpartition("@")[2]
        for pattern in tenant.spec.email_patterns
    }
