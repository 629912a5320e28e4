"""Index of Tenants by id and by e-mail pattern, whose lookups do not slow down with more Tenants."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from .emails import fold, matches
from .model import Tenant

__all__ = ["Directory"]

_Key = tuple[str, str]


class Directory:
    """Index of Tenants with unique ids.

    The key of a pattern has two texts: the last two labels of the domain, and the local part after its last
    ``*``. All addresses that match have these endings. A lookup reads one entry for each ending of the local
    part, and compares the address only with the patterns in these entries.

    Parameters
    ----------
    tenants
        Initial content.
    """

    def __init__(self, tenants: Iterable[Tenant] = ()) -> None:
        self._tenants: dict[str, Tenant] = {}
        self._patterns: defaultdict[_Key, dict[str, list[str]]] = defaultdict(dict)
        for tenant in tenants:
            self.put(tenant)

    def __len__(self) -> int:
        return len(self._tenants)

    def get(self, tenant_id: str) -> Tenant | None:
        """Return the Tenant with an id, or ``None``."""
        return self._tenants.get(tenant_id)

    def list_tenants(self) -> tuple[Tenant, ...]:
        """Return all Tenants, in no particular order."""
        return tuple(self._tenants.values())

    def put(self, tenant: Tenant) -> None:
        """Add a Tenant, or replace the Tenant with the same id."""
        self.discard(tenant.id)
        self._tenants[tenant.id] = tenant
        for pattern in tenant.spec.email_patterns:
            self._patterns[_get_pattern_key(pattern)].setdefault(tenant.id, []).append(pattern)

    def discard(self, tenant_id: str) -> None:
        """Remove a Tenant if it exists."""
        tenant = self._tenants.pop(tenant_id, None)
        for key in {_get_pattern_key(pattern) for pattern in tenant.spec.email_patterns} if tenant else ():
            self._patterns[key].pop(tenant_id)
            if not self._patterns[key]:
                del self._patterns[key]

    def find_by_email(self, email: str) -> list[Tenant]:
        """Return the Tenants with a pattern that matches an address, sorted by id."""
        tenant_ids = {
            tenant_id
            for key in _list_email_keys(email)
            for tenant_id, patterns in self._patterns.get(key, {}).items()
            if any(matches(pattern, email) for pattern in patterns)
        }
        return [self._tenants[tenant_id] for tenant_id in sorted(tenant_ids)]


def _get_pattern_key(pattern: str) -> _Key:
    local, _, domain = fold(pattern).rpartition("@")
    return _get_site(domain), local.rpartition("*")[2]


def _list_email_keys(email: str) -> Iterator[_Key]:
    local, _, domain = fold(email).rpartition("@")
    site = _get_site(domain)
    for begin in range(len(local) + 1):
        yield site, local[begin:]


def _get_site(domain: str) -> str:
    """Return the last two labels of a domain. The API server refuses a ``*`` in them."""
    return ".".join(domain.rsplit(".", 2)[-2:])
