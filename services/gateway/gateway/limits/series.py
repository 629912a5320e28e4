"""What tenants use, as Prometheus sees it: a series for each Tenant that there is, and for no other."""

from collections.abc import Collection

from tenancy.model import Tenant

from ..metrics import ANSWERS, TOKENS

__all__ = ["TenantSeries"]


class TenantSeries:
    """The counters by tenant. Only this class touches them, so it knows which there are."""

    def __init__(self) -> None:
        self._tenants: set[str] = set()

    def add(self, tenant: Tenant, **tokens: int) -> None:
        """Count a tenant's tokens, by kind."""
        self._tenants.add(tenant.key)
        for kind, number in tokens.items():
            TOKENS.labels(tenant.key, kind).inc(number)

    def add_answer(self, tenant: Tenant) -> None:
        """Count an answer that a model gave."""
        self._tenants.add(tenant.key)
        ANSWERS.labels(tenant.key).inc()

    def keep(self, tenants: Collection[Tenant]) -> None:
        """Take away the series of all other tenants; enough when somebody is about to look at them."""
        for key in self._tenants - {tenant.key for tenant in tenants}:
            for counter in (TOKENS, ANSWERS):
                counter.remove_by_labels({"tenant": key})
            self._tenants.discard(key)
