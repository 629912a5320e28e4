"""Tenants by id and by the addresses they claim: found as fast among ten thousand as among ten."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from .emails import fold, matches
from .model import Tenant

__all__ = ["Directory"]

_Key = tuple[str, str]


class Directory:
    """Some Tenants, each id once.

    A pattern is filed under what every address that it matches ends with: the last two labels of its domain,
    and what stands behind the last ``*`` of its local part. So an address needs one look for each of its own
    endings, and only what lies there is compared.

    Parameters
    ----------
    tenants
        Those that are in it from the beginning.
    """

    def __init__(self, tenants: Iterable[Tenant] = ()) -> None:
        self._tenants: dict[str, Tenant] = {}
        self._patterns: defaultdict[_Key, dict[str, list[str]]] = defaultdict(dict)
        for tenant in tenants:
            self.put(tenant)

    def __len__(self) -> int:
        return len(self._tenants)

    def get(self, tenant_id: str) -> Tenant | None:
        """Return the Tenant of that id, or ``None`` when there is none."""
        return self._tenants.get(tenant_id)

    def all(self) -> tuple[Tenant, ...]:
        """Return every Tenant, in no particular order."""
        return tuple(self._tenants.values())

    def put(self, tenant: Tenant) -> None:
        """File a Tenant, in the place of an earlier one of that id."""
        self.discard(tenant.id)
        self._tenants[tenant.id] = tenant
        for pattern in tenant.spec.email_patterns:
            self._patterns[_filed_under(pattern)].setdefault(tenant.id, []).append(pattern)

    def discard(self, tenant_id: str) -> None:
        """Take a Tenant out; one that is not in is out."""
        tenant = self._tenants.pop(tenant_id, None)
        for key in {_filed_under(pattern) for pattern in tenant.spec.email_patterns} if tenant else ():
            self._patterns[key].pop(tenant_id)
            if not self._patterns[key]:
                del self._patterns[key]

    def claimants(self, email: str) -> list[Tenant]:
        """Return the Tenants under whose patterns an address falls, by id."""
        found = {
            tenant_id
            for key in _look_under(email)
            for tenant_id, patterns in self._patterns.get(key, {}).items()
            if any(matches(pattern, email) for pattern in patterns)
        }
        return [self._tenants[tenant_id] for tenant_id in sorted(found)]


def _filed_under(pattern: str) -> _Key:
    local, _, domain = fold(pattern).rpartition("@")
    return _site(domain), local.rpartition("*")[2]


def _look_under(email: str) -> Iterator[_Key]:
    local, _, domain = fold(email).rpartition("@")
    site = _site(domain)
    for begin in range(len(local) + 1):
        yield site, local[begin:]


def _site(domain: str) -> str:
    """Return the last two labels: the API server refuses a ``*`` in them."""
    return ".".join(domain.rsplit(".", 2)[-2:])
