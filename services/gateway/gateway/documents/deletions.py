"""Limit on deletions: holds deletions of more than a share of a tenant's documents within minutes.

An administrator of the tenant releases or rejects held deletions. Redis counts the deletions of a tenant in
the last minutes and lists the held deletions. A held deletion changed nothing, so the list is informational:
if it is lost, the caller requests the deletion again.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenancy.names import build_deletions_key, build_held_deletions_key, build_released_deletions_key

from ..metrics import LIMIT_EXCEEDED
from ..objects import StoredEntry
from ..problems import DeletionsHeld, WritesUnavailable
from ..redis import TenantRedis

__all__ = [
    "MASS_DELETE_LIMIT",
    "MASS_DELETE_SHARE",
    "MASS_DELETE_WINDOW",
    "MAX_LISTED",
    "DeletionLimit",
    "HeldDeletion",
]

MASS_DELETE_LIMIT = 20
"""Number of deletions within the window that are never held, however few documents the tenant has."""

MASS_DELETE_SHARE = 0.2
"""Share of a tenant's documents that may be deleted within the window; the larger of both limits applies."""

MASS_DELETE_WINDOW = timedelta(minutes=10)
"""Time within which deletions are counted together."""

RELEASE_DURATION = timedelta(hours=1)
"""Time during which nothing is held after an administrator has released the deletions."""

HELD_TTL = timedelta(days=1)
"""Time after which a held deletion leaves the list if it is not requested again."""

MAX_LISTED = 1000
"""Maximum length of the list of held deletions; further deletions are held without being listed."""

_CLOCK = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# KEYS: recent deletions, held deletions, the release.
# ARGV: document id, deletions of the batch, documents stored, entry, window, limit, share, TTL, most listed
_ADMIT = f"""{_CLOCK}
local id, batch, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local count = redis.call('ZCARD', KEYS[1])
local limit = math.max(tonumber(ARGV[6]), math.floor((tonumber(ARGV[3]) + count) * tonumber(ARGV[7])))
local known = redis.call('ZSCORE', KEYS[1], id)
local free = redis.call('EXISTS', KEYS[3]) == 1 or known
if not free and math.max(count + 1, batch) > limit then
  if redis.call('HEXISTS', KEYS[2], id) == 1 or redis.call('HLEN', KEYS[2]) < tonumber(ARGV[9]) then
    redis.call('HSETNX', KEYS[2], id, ARGV[4])
    redis.call('PEXPIRE', KEYS[2], ARGV[8])
  end
  return {{0, limit}}
end
redis.call('ZADD', KEYS[1], 'NX', now, id)
redis.call('PEXPIRE', KEYS[1], window)
redis.call('HDEL', KEYS[2], id)
return {{1, limit}}
"""


@dataclass(frozen=True)
class HeldDeletion:
    """A deletion that was held; ``requested_by`` is a person's address or the name of the service."""

    document_id: str
    persona_id: str
    filename: str
    requested_by: str
    requested_at: datetime


class DeletionLimit:
    """Holds deletions beyond a tenant's limit until an administrator releases them."""

    def __init__(self, redis: TenantRedis) -> None:
        self._redis = redis
        self._admit = redis.register_script("admit-deletion", _ADMIT)

    async def admit(
        self,
        tenant: Tenant,
        stored: StoredEntry,
        requested_by: str,
        *,
        batch: int,
        count_stored: Callable[[], Awaitable[int]],
    ) -> None:
        """Admit and count a deletion, or hold it. The same document counts once in the window.

        Parameters
        ----------
        batch
            Number of documents that the caller is about to delete; if the number exceeds the limit, all are
            held.
        count_stored
            Function that counts the documents of the tenant.

        Raises
        ------
        DeletionsHeld
            The deletion is held and listed for the tenant's administrators.
        LimitsUnavailable, WritesUnavailable
            Redis is unavailable.
        """
        entry = HeldDeletion(
            stored.document_id, stored.persona_id, stored.filename, requested_by, datetime.now(UTC)
        )
        stored_count = await count_stored()
        try:
            admitted, limit = await self._admit.run(
                tenant,
                [
                    build_deletions_key(tenant.id, tenant.uid),
                    build_held_deletions_key(tenant.id, tenant.uid),
                    build_released_deletions_key(tenant.id, tenant.uid),
                ],
                stored.document_id,
                batch,
                stored_count,
                _to_json(entry),
                _to_milliseconds(MASS_DELETE_WINDOW),
                MASS_DELETE_LIMIT,
                str(MASS_DELETE_SHARE),
                _to_milliseconds(HELD_TTL),
                MAX_LISTED,
            )
        except BackendError as exc:
            raise _build_unavailable() from exc
        if not admitted:
            LIMIT_EXCEEDED.labels("deletions").inc()
            minutes = round(MASS_DELETE_WINDOW.total_seconds() / 60)
            raise DeletionsHeld(
                f"More than {limit} documents of the tenant would be deleted within {minutes} minutes, so "
                "this one is kept. An administrator of the tenant sees the held deletions with "
                "`GET /v1/deletions`, and releases them with `POST /v1/deletions/release` or rejects them "
                "with `POST /v1/deletions/reject`.",
                retry_after=round(MASS_DELETE_WINDOW.total_seconds()),
            )

    async def list_held(self, tenant: Tenant) -> list[HeldDeletion]:
        """Return the held deletions, oldest first; at most :data:`MAX_LISTED`.

        Raises
        ------
        WritesUnavailable
            Redis is unavailable.
        """
        try:
            (texts,) = await self._redis.execute(
                tenant, "list-held-deletions", ("HVALS", build_held_deletions_key(tenant.id, tenant.uid))
            )
        except BackendError as exc:
            raise _build_unavailable() from exc
        return sorted(
            map(_from_json, texts), key=lambda deletion: (deletion.requested_at, deletion.document_id)
        )

    async def release(self, tenant: Tenant) -> datetime:
        """Stop holding the tenant's deletions for some time; return the end of that time.

        Raises
        ------
        WritesUnavailable
            Redis is unavailable.
        """
        try:
            await self._redis.execute(
                tenant,
                "release-deletions",
                (
                    "SET",
                    build_released_deletions_key(tenant.id, tenant.uid),
                    1,
                    "PX",
                    _to_milliseconds(RELEASE_DURATION),
                ),
                ("UNLINK", build_held_deletions_key(tenant.id, tenant.uid)),
            )
        except BackendError as exc:
            raise _build_unavailable() from exc
        return datetime.now(UTC) + RELEASE_DURATION

    async def remove_held(self, tenant: Tenant, document_id: str) -> None:
        """Remove a deletion from the list of held deletions.

        Raises
        ------
        WritesUnavailable
            Redis is unavailable.
        """
        try:
            await self._redis.execute(
                tenant,
                "remove-held-deletion",
                ("HDEL", build_held_deletions_key(tenant.id, tenant.uid), document_id),
            )
        except BackendError as exc:
            raise _build_unavailable() from exc


def _to_json(held: HeldDeletion) -> str:
    return json.dumps(asdict(held) | {"requested_at": held.requested_at.isoformat()})


def _from_json(text: str) -> HeldDeletion:
    read: dict[str, Any] = json.loads(text)
    return HeldDeletion(**(read | {"requested_at": datetime.fromisoformat(read["requested_at"])}))


def _to_milliseconds(time: timedelta) -> int:
    return round(time.total_seconds() * 1000)


def _build_unavailable() -> WritesUnavailable:
    return WritesUnavailable(
        "Deletions cannot be counted right now, so none is executed. Try again in a moment."
    )
