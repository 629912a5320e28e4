"""Store of responses by ``Idempotency-Key``, so that a repeated request has no second effect.

The store implements draft-ietf-httpapi-idempotency-key-header. A key is valid for one tenant, caller, method
and path. The caller comes from the authenticated identity, and the Redis key contains only a digest of these
values. While the first request runs, it holds a lease on the key. If its gateway dies, the lease expires, and
the next request with the key is processed.
"""

import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

import structlog
from servicekit.deadline import suspend_deadline
from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenancy.names import build_idempotency_key

from .leases import LEASE_TTL_SECONDS, LeaseLost, hold_lease
from .problems import IdempotencyKeyBusy, IdempotencyKeyReused, WritesUnavailable
from .redis import TenantRedis

__all__ = ["IdempotencyStore", "IdempotentRequest", "RequestLease", "StoredResponse"]

RESPONSE_TTL_SECONDS = 24 * 3600
"""Time for which a response is stored."""

RETRY_AFTER_SECONDS = 5
"""``Retry-After`` while the first request is still running."""

_ACQUIRE = """
local found = redis.call('GET', KEYS[1])
if found then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''
"""

# ARGV: token, new value (empty: delete), time to live in milliseconds
_WRITE = """
local found = redis.call('GET', KEYS[1])
if not found or cjson.decode(found).token ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""


@dataclass(frozen=True)
class IdempotentRequest:
    """A request that must be processed once.

    Parameters
    ----------
    caller
        Authenticated caller.
    route
        Method and path.
    key
        The caller's key.
    fingerprint
        Digest of all other inputs of the request.
    """

    caller: str
    route: str
    key: str
    fingerprint: str

    @property
    def digest(self) -> str:
        """Digest of caller, route and key."""
        return hashlib.sha256(json.dumps([self.caller, self.route, self.key]).encode()).hexdigest()


@dataclass(frozen=True)
class StoredResponse:
    """A stored response: its status, and its body as text."""

    status: int
    body: str


class RequestLease:
    """Lease on a request to process, or the stored response if the request was processed before."""

    def __init__(self, stored: StoredResponse | None = None) -> None:
        self.stored = stored
        self.saved: StoredResponse | None = None

    def save(self, response: StoredResponse) -> None:
        """Set the response that is stored when the block ends; repeated requests get it."""
        self.saved = response


class IdempotencyStore:
    """Store of responses by idempotency key, per tenant.

    Parameters
    ----------
    lease_seconds
        Time after which the lease of a dead gateway expires.
    """

    def __init__(self, redis: TenantRedis, *, lease_seconds: float = LEASE_TTL_SECONDS) -> None:
        self._acquire = redis.register_script("acquire-request-lease", _ACQUIRE)
        self._write = redis.register_script("write-reply", _WRITE)
        self._lease_seconds = lease_seconds
        self._log = structlog.get_logger("gateway.idempotency")

    @asynccontextmanager
    async def run_once(self, tenant: Tenant, request: IdempotentRequest) -> AsyncIterator[RequestLease]:
        """Hold the lease to process a request; the block checks :attr:`RequestLease.stored` first.

        A request whose response the block does not save may be processed again.

        Raises
        ------
        IdempotencyKeyReused
            The key belongs to another request.
        IdempotencyKeyBusy
            The first request is still running.
        WritesUnavailable
            Redis is unavailable, or was unavailable for so long that the block was cancelled.
        """
        key, token = build_idempotency_key(tenant.id, tenant.uid, request.digest), uuid.uuid4().hex
        mine = {"fingerprint": request.fingerprint, "token": token}
        lease_ms = round(self._lease_seconds * 1000)
        try:
            stored = await self._acquire.run(tenant, [key], json.dumps(mine), lease_ms)
        except BackendError as exc:
            raise _build_unavailable() from exc
        if stored:
            yield _to_lease(json.loads(stored), request)
            return

        async def renew() -> bool:
            return bool(await self._write.run(tenant, [key], token, json.dumps(mine), lease_ms))

        lease = RequestLease()
        try:
            async with hold_lease(renew, seconds=self._lease_seconds):
                yield lease
        except LeaseLost as exc:
            raise _build_unavailable() from exc
        finally:
            done = json.dumps({**mine, "reply": asdict(lease.saved)}) if lease.saved else ""
            try:
                with suspend_deadline():  # the effect is permanent, even after the deadline
                    await self._write.run(tenant, [key], token, done, RESPONSE_TTL_SECONDS * 1000)
            except BackendError as exc:
                self._log.warning("Cannot store a response", error=str(exc))


def _to_lease(entry: dict[str, object], request: IdempotentRequest) -> RequestLease:
    if entry["fingerprint"] != request.fingerprint:
        raise IdempotencyKeyReused(
            "This `Idempotency-Key` was sent with another request. Use a new key for a new request."
        )
    match entry.get("reply"):
        case {"status": int(status), "body": str(body)}:
            return RequestLease(StoredResponse(status, body))
        case _:
            raise IdempotencyKeyBusy(
                "The first request with this `Idempotency-Key` is in progress. Repeat it later.",
                retry_after=RETRY_AFTER_SECONDS,
            )


def _build_unavailable() -> WritesUnavailable:
    return WritesUnavailable(
        "Earlier requests with this key cannot be checked right now. Try again in a moment."
    )
