"""Fake of the answer cache: a dictionary without versions of the index."""

from typing import cast

from gateway.answers.cache import AnswerCache, CacheLookup, CacheOutcome, CacheSlot
from gateway.answers.service import Answer
from tenancy.model import Tenant

__all__ = ["FakeAnswerCache"]


class FakeAnswerCache:
    """Stores answers by tenant and key; ``requested`` lists the keys of all lookups."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Answer] = {}
        self.requested: list[str] = []
        self.unavailable = False

    async def get(self, tenant: Tenant, key: str) -> CacheLookup:
        self.requested.append(key)
        if self.unavailable:
            return CacheLookup(CacheOutcome.UNAVAILABLE)
        answer = self.stored.get((tenant.key, key))
        return CacheLookup(CacheOutcome.HIT if answer else CacheOutcome.MISS, answer, CacheSlot(key, "v"))

    async def put(self, tenant: Tenant, slot: CacheSlot, answer: Answer) -> None:
        self.stored[tenant.key, slot.key] = answer

    def cast_to_real_class(self) -> AnswerCache:
        """Return this fake typed as the real class."""
        return cast("AnswerCache", self)
