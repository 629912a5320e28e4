"""The answer cache as a fake: a dictionary, and an index that is changed when the test says so."""

from typing import cast

from gateway.answers.cache import AnswerCache, Look, Outcome, Slot
from gateway.answers.service import Answer
from tenancy.model import Tenant

__all__ = ["FakeAnswerCache"]


class FakeAnswerCache:
    """Keeps answers by tenant and digest; ``asked`` are the digests that were looked for."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Answer] = {}
        self.asked: list[str] = []
        self.away = False

    async def find(self, tenant: Tenant, digest: str) -> Look:
        self.asked.append(digest)
        if self.away:
            return Look(Outcome.UNAVAILABLE)
        answer = self.kept.get((tenant.key, digest))
        return Look(Outcome.HIT if answer else Outcome.MISS, answer, Slot(digest, "v"))

    async def keep(self, tenant: Tenant, slot: Slot, answer: Answer) -> None:
        self.kept[tenant.key, slot.digest] = answer

    def as_cache(self) -> AnswerCache:
        """Return itself in the place of the real one."""
        return cast("AnswerCache", self)
