"""The personas of all Tenants, drawn anew every few moments: with ten thousand Tenants it takes 30 ms."""

import time

from tenancy.registry import TenantRegistry

from .persona_index import Places

__all__ = ["Atlas"]

FRESH_SECONDS = 5.0


class Atlas:
    """Knows which persona a knowledge base or a model is of."""

    def __init__(self, registry: TenantRegistry) -> None:
        self._registry = registry
        self._places = Places(())
        self._drawn = float("-inf")

    @property
    def places(self) -> Places:
        """The personas, as they were a few seconds ago at most."""
        return self._places if time.monotonic() - self._drawn < FRESH_SECONDS else self.renew()

    def renew(self) -> Places:
        """Return the personas as they are now."""
        self._places, self._drawn = Places(self._registry.all()), time.monotonic()
        return self._places
