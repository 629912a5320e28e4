"""Counters of use by tenant for Prometheus: a series for each Tenant that there is, where they are wanted."""

import asyncio
from collections.abc import Callable, Collection

from tenancy.model import Tenant

from ..metrics import ANSWERS, TOKENS

__all__ = ["KEEP_SECONDS", "TenantSeries"]

KEEP_SECONDS = 10.0
"""How long the series of a Tenant that is gone may stay."""

ALL = ""
"""Label of all tenants together. To Prometheus an empty label is none."""


class TenantSeries:
    """The counters by tenant. Only this class touches them, so it knows which there are.

    Parameters
    ----------
    by_tenant
        Whether they name tenants. Else they count all of them together.
    """

    def __init__(self, *, by_tenant: bool = False) -> None:
        self._by_tenant = by_tenant
        self._tenants: set[str] = set()

    def add(self, tenant: Tenant, **tokens: int) -> None:
        """Count a tenant's tokens, by kind."""
        label = self._label(tenant)
        for kind, number in tokens.items():
            TOKENS.labels(label, kind).inc(number)

    def add_answer(self, tenant: Tenant) -> None:
        """Count an answer that a model gave."""
        ANSWERS.labels(self._label(tenant)).inc()

    def keep(self, tenants: Collection[Tenant]) -> None:
        """Remove the series of all other tenants."""
        for key in self._tenants - {tenant.key for tenant in tenants}:
            for counter in (TOKENS, ANSWERS):
                counter.remove_by_labels({"tenant": key})
            self._tenants.discard(key)

    async def run(self, tenants: Callable[[], Collection[Tenant]]) -> None:
        """Remove the series of Tenants that are gone, until cancelled."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            self.keep(tenants())

    def _label(self, tenant: Tenant) -> str:
        if not self._by_tenant:
            return ALL
        self._tenants.add(tenant.key)
        return tenant.key
