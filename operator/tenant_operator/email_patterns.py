"""Index of e-mail patterns, to find Tenants that claim the same addresses.

The key of the index is the last two labels of the domain, which every pattern has to spell out. Two patterns
that could match one address always share this key, so most Tenants are never compared.
"""

from collections import defaultdict
from collections.abc import Iterable

from tenancy.emails import has_overlap
from tenancy.model import Tenant

__all__ = ["EmailPatternIndex"]


class EmailPatternIndex:
    """E-mail patterns of all known Tenants."""

    def __init__(self) -> None:
        self._tenants: dict[str, Tenant] = {}
        self._by_domain: defaultdict[str, set[str]] = defaultdict(set)

    def put(self, tenant: Tenant) -> None:
        """Add a Tenant, or replace its patterns."""
        self.remove(tenant.id)
        self._tenants[tenant.id] = tenant
        for domain in _list_domains(tenant):
            self._by_domain[domain].add(tenant.id)

    def remove(self, tenant_id: str) -> None:
        """Remove a Tenant."""
        tenant = self._tenants.pop(tenant_id, None)
        for domain in _list_domains(tenant) if tenant else ():
            self._by_domain[domain].discard(tenant_id)

    def list_conflicts(self, tenant: Tenant) -> list[Tenant]:
        """Return the other Tenants that claim an address of this Tenant, the oldest first."""
        candidates = set().union(*(self._by_domain[domain] for domain in _list_domains(tenant))) - {tenant.id}
        others = (self._tenants[tenant_id] for tenant_id in candidates)
        return sorted(
            (other for other in others if _list_overlaps(tenant, other)), key=lambda other: other.seniority
        )

    def describe_conflict(self, tenant: Tenant) -> str | None:
        """Return the message when an older Tenant claims the same addresses, else ``None``."""
        older = [other for other in self.list_conflicts(tenant) if other.seniority < tenant.seniority]
        if not older:
            return None
        pattern, other_pattern = _list_overlaps(tenant, older[0])[0]
        return (
            f"the e-mail pattern {pattern} overlaps with {other_pattern} of the older Tenant {older[0].id}; "
            "change one of the two"
        )


def _list_overlaps(first: Tenant, second: Tenant) -> list[tuple[str, str]]:
    return [
        (one, other)
        for one in first.spec.email_patterns
        for other in second.spec.email_patterns
        if has_overlap(one, other)
    ]


def _list_domains(tenant: Tenant) -> Iterable[str]:
    return {
        ".".join(pattern.casefold().split(".")[-2:]).rpartition("@")[2]
        for pattern in tenant.spec.email_patterns
    }
