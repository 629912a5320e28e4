"""Prometheus counters of usage, optionally with a series per tenant."""

import asyncio
from collections.abc import Callable, Collection

from servicekit.series import create_series
from tenancy.model import Tenant

from ..metrics import ANSWERS, TOKENS

__all__ = ["PRUNE_INTERVAL_SECONDS", "TenantMetrics"]

PRUNE_INTERVAL_SECONDS = 10.0
"""Interval at which the series of deleted Tenants are removed."""

ALL_TENANTS = ""
"""Label value of the total of all tenants. Prometheus treats an empty label as absent."""


class TenantMetrics:
    """Sole writer of the counters with a tenant label.

    Parameters
    ----------
    by_tenant
        True to label the series with the tenant key; False to count all tenants in one series.
    """

    def __init__(self, *, by_tenant: bool = False) -> None:
        self._by_tenant = by_tenant
        self._tenants: set[str] = set()
        if not by_tenant:
            create_series(ANSWERS, (ALL_TENANTS,))
            create_series(TOKENS, (ALL_TENANTS,), ("input", "output", "embedding"))

    def record_tokens(self, tenant: Tenant, **tokens: int) -> None:
        """Add numbers of tokens to a tenant's counters; the keywords are kinds of tokens."""
        label = self._get_label(tenant)
        for kind, number in tokens.items():
            TOKENS.labels(label, kind).inc(number)

    def record_answer(self, tenant: Tenant) -> None:
        """Count an answer that a model wrote."""
        ANSWERS.labels(self._get_label(tenant)).inc()

    def prune(self, tenants: Collection[Tenant]) -> None:
        """Remove the series of all tenants that are not in ``tenants``."""
        for key in self._tenants - {tenant.key for tenant in tenants}:
            for counter in (TOKENS, ANSWERS):
                counter.remove_by_labels({"tenant": key})
            self._tenants.discard(key)

    async def run(self, tenants: Callable[[], Collection[Tenant]]) -> None:
        """Remove the series of deleted Tenants periodically, until cancelled."""
        while True:
            await asyncio.sleep(PRUNE_INTERVAL_SECONDS)
            self.prune(tenants())

    def _get_label(self, tenant: Tenant) -> str:
        if not self._by_tenant:
            return ALL_TENANTS
        self._tenants.add(tenant.key)
        return tenant.key
