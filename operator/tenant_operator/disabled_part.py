"""The part of a system that this platform does without: nothing is done, and the condition says so."""

from tenancy.model import Tenant

from .conditions import Verdict
from .part import Ensured, Leftovers

__all__ = ["AbsentPart"]


class AbsentPart:
    """A part that is there in name only. It holds nothing up.

    Parameters
    ----------
    name
        The part's name.
    told
        What the condition says, in a sentence.
    """

    after = ""

    def __init__(self, name: str, told: str) -> None:
        self.name = name
        self._told = told

    async def observe(self, _: Tenant) -> None:
        """See nothing."""

    async def ensure(self, _: Tenant, __: None) -> Ensured:
        """Do nothing, and say so."""
        return Ensured(verdict=Verdict(status=False, reason="NotConfigured", message=self._told))

    async def remove(self, _: Tenant) -> None:
        """Do nothing."""

    async def count(self, _: Tenant) -> Leftovers:
        """Return that there is nothing to scan."""
        return Leftovers(not_scanned=self._told)

    async def forget(self, _: Tenant) -> None:
        """Do nothing."""
