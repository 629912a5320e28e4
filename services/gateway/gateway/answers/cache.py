"""Answers that are given again: in one tenant, to the same question, as long as no document has changed.

A tenant's answers are one hash in Redis, together with the version of the index that they were drawn from.
Every change of the index throws the hash away (:mod:`gateway.index_fence`), and the next question begins a
new version. An answer is kept under the version that its question began with, or not at all.

The hash lives for a fixed time from its first question on, however often it is used.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError
from servicekit.errors import RemoteError
from tenancy.model import Tenant

from ..index_fence import STATE_SCRIPT, fence_keys
from ..redis import TenantRedis
from .service import Answer

__all__ = ["AnswerCache", "Look", "Outcome", "Slot", "digest"]

ANSWERS = 1000
"""Most answers of one tenant. With about two kilobytes each, a thousand busy tenants fill two gigabytes."""

ANSWER_BYTES = 32 * 1024
"""Largest answer, its citations included; larger ones are not kept."""

FORMAT = 2
"""To be counted up when answers are made in another way, so that none of the old way is given again."""

# The version is a random word, so one that was lost never comes back with answers of another time. While a
# change is under way there is none.
_FIND = f"""{STATE_SCRIPT}
if is_writing then return {{false, false}} end
local version = redis.call('HGET', KEYS[1], 'version')
if not version then
  version = ARGV[2]
  redis.call('HSET', KEYS[1], 'version', version)
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return {{version, redis.call('HGET', KEYS[1], ARGV[1])}}
"""

_KEEP = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return end
if redis.call('HLEN', KEYS[1]) <= tonumber(ARGV[4]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
"""

_ANSWER = TypeAdapter(Answer)


class Outcome(StrEnum):
    """What came of a look into the cache."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"
    """It was not to be used, or the index is being changed."""
    UNAVAILABLE = "unavailable"
    """Redis is away, or what it keeps cannot be read."""


@dataclass(frozen=True)
class Slot:
    """Where an answer may be kept, and the version of the index that it must have been drawn from."""

    digest: str
    version: str


@dataclass(frozen=True)
class Look:
    """What the cache had for a question; without a slot the answer to come is not kept."""

    outcome: Outcome
    answer: Answer | None = None
    slot: Slot | None = None


class AnswerCache:
    """Keeps answers of one tenant at a time.

    Parameters
    ----------
    seconds
        How long answers are kept at most; 0 for no cache.
    """

    def __init__(self, redis: TenantRedis, *, seconds: int) -> None:
        self._seconds = seconds
        self._find = redis.script("find-answer", _FIND)
        self._keep = redis.script("keep-answer", _KEEP)
        self._log = structlog.get_logger("gateway.answers")

    async def find(self, tenant: Tenant, digest: str) -> Look:
        """Look for an answer. Redis away is no error: the question is answered anew.

        Parameters
        ----------
        digest
            Of all that the answer depends on, see :func:`digest`.
        """
        if not self._seconds:
            return Look(Outcome.BYPASS)
        try:
            version, kept = await self._find.run(
                tenant, fence_keys(tenant), digest, uuid.uuid4().hex, self._seconds
            )
        except RemoteError as exc:
            self._log.warning("Cannot look for a kept answer", error=str(exc))
            return Look(Outcome.UNAVAILABLE)
        if not version:
            return Look(Outcome.BYPASS)
        slot = Slot(digest, version)
        if not kept:
            return Look(Outcome.MISS, slot=slot)
        try:
            answer = _ANSWER.validate_json(kept)
        except ValidationError as exc:
            # Its words would hold what was read.
            self._log.warning("Cannot read a kept answer", errors=exc.error_count())
            return Look(Outcome.UNAVAILABLE, slot=slot)
        return Look(Outcome.HIT, answer, slot)

    async def keep(self, tenant: Tenant, slot: Slot, answer: Answer) -> None:
        """Keep an answer, unless the index has changed since the look that gave the slot.

        It is there already, so nothing is raised when Redis is away.
        """
        text = _ANSWER.dump_json(answer).decode()
        if len(text.encode()) > ANSWER_BYTES:
            return
        try:
            await self._keep.run(tenant, fence_keys(tenant), slot.digest, slot.version, text, ANSWERS)
        except RemoteError as exc:
            self._log.warning("Cannot keep an answer", error=str(exc))


def digest(basis: Mapping[str, Any]) -> str:
    """Return a name for all that an answer depends on, beside the index; the same for the same, only."""
    text = json.dumps([FORMAT, dict(basis)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
