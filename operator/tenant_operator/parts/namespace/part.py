"""The tenant's limits: handed to the gateway and file-sync through Redis, and to Kubernetes as a namespace.

The namespace exists only for a tenant with ``quota.compute``; everybody else costs none. A namespace that
is not ours is never adopted and never removed.
"""

import asyncio
import functools
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis
from servicekit.errors import RemoteRefused, RemoteUnavailable
from servicekit.redis_errors import classify
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.names import is_tombstone, limits_key, redis_prefix
from tenancy.quantities import parse_quantity

from ...clients.cluster import Cluster
from ...part import Ensured, Leftovers
from .objects import MANAGED_BY, objects

__all__ = ["QuotaPart", "QuotaState", "desired_limits"]

CALL_SECONDS = 5.0

SCANNED = 1000
"""Keys that Redis looks at in one call: well below a millisecond, in which nobody else is served."""


@dataclass(frozen=True)
class QuotaState:
    """The limits in Redis, and the tenant's namespace with what is in it, by kind."""

    limits: dict[str, str] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    namespace: dict[str, Any] | None = None


def desired_limits(tenant: Tenant) -> dict[str, str]:
    """Return the limits as Redis holds them."""
    quota = tenant.spec.quota
    return {
        "documents": str(quota.documents),
        "storageBytes": str(quota.storage_bytes),
        "queriesPerMinute": str(quota.queries_per_minute),
        "tokensPerMonth": str(quota.tokens_per_month),
    }


class QuotaPart:
    """Limits in Redis and in Kubernetes.

    Parameters
    ----------
    redis
        Where the services read limits; the caller closes it.
    cluster
        Where namespaces are.
    """

    name = "quota"
    after = ""

    def __init__(self, redis: Redis, cluster: Cluster) -> None:
        self._redis = redis
        self._cluster = cluster
        self._remote = Remote("redis", classify, timeout=CALL_SECONDS)

    async def observe(self, tenant: Tenant) -> QuotaState:
        """Read the limits and the namespace.

        The namespace is looked for even where none is declared, now or in the status: a run that was killed
        may have made it, and could no longer say so.
        """
        limits, namespace = await asyncio.gather(
            self._remote.call("read-limits", lambda: self._read(tenant)),
            self._cluster.read("Namespace", tenant.key),
        )
        found = {}
        if namespace:
            for wanted in objects(tenant)[1:]:
                live = await self._cluster.read(wanted["kind"], wanted["metadata"]["name"], tenant.key)
                found[wanted["kind"]] = live or {}
        return QuotaState(limits, found, namespace)

    async def ensure(self, tenant: Tenant, observed: QuotaState) -> Ensured:
        """Write limits that differ, and objects of the namespace that differ.

        Raises
        ------
        RemoteRefused
            There is a namespace of the tenant's name that is not ours.
        RemoteUnavailable
            The tenant's former namespace is still being emptied.
        """
        changes = []
        limits = desired_limits(tenant)
        if observed.limits != limits:
            await self._remote.call("write-limits", lambda: self._write(tenant, limits))
            changes.append("write limits")
        if not tenant.spec.quota.compute:
            if observed.namespace and _is_ours(tenant, observed.namespace):
                changes.append(f"delete namespace {tenant.key}")
                await self._delete_namespace(tenant)
            return Ensured(changes, {"namespace": ""})
        changes += await self._ensure_namespace(tenant, observed)
        return Ensured(changes, {"namespace": tenant.key})

    async def remove(self, tenant: Tenant) -> None:
        """Delete every key of the tenant key, whatever its uid, and the namespace; return when it is gone."""
        # With the colon, or tenant-a would take tenant-ab along.
        await self._delete_keys(f"{tenant.key}:")
        namespace = await self._cluster.read("Namespace", tenant.key)
        if namespace and _is_ours(tenant, namespace):
            await self._delete_namespace(tenant)

    async def count(self, tenant: Tenant) -> Leftovers:
        """Count the tenant's keys in Redis but for tombstones, which hold nothing, and its namespace."""
        found: set[str] = set()
        cursor = 0
        while True:
            page = functools.partial(self._scan, f"{tenant.key}:", cursor)
            cursor, keys = await self._remote.call("scan-keys", page)
            found.update(key for key in keys if not is_tombstone(key))  # Redis may return a key twice
            if not cursor:
                break
        namespace = await self._cluster.read("Namespace", tenant.key)
        return Leftovers(
            {
                f"keys {tenant.key}:*": len(found),
                f"namespace {tenant.key}": int(bool(namespace and _is_ours(tenant, namespace))),
            }
        )

    async def forget(self, tenant: Tenant) -> None:
        """Delete what was kept to be given again; what was used stays, for billing, until it expires."""
        kept = tuple(f"{redis_prefix(tenant.id, tenant.uid)}{counter}:" for counter in ("usage", "tokens"))
        await self._delete_keys(redis_prefix(tenant.id, tenant.uid), kept)

    async def _delete_keys(self, prefix: str, kept: tuple[str, ...] = ()) -> None:
        """Delete keys that begin with ``prefix`` and with none of ``kept``, page by page; tombstones stay."""
        cursor = 0
        while True:
            page = functools.partial(self._scan, prefix, cursor)
            cursor, found = await self._remote.call("scan-keys", page)
            if keys := [key for key in found if not (is_tombstone(key) or key.startswith(kept))]:
                await self._remote.call("delete-keys", functools.partial(self._unlink, keys))
            if not cursor:
                return

    async def _ensure_namespace(self, tenant: Tenant, observed: QuotaState) -> list[str]:
        if observed.namespace and not _is_ours(tenant, observed.namespace):
            raise RemoteRefused(
                "kubernetes",
                "adopt-namespace",
                f"namespace {tenant.key} exists and is not managed by tenantry; rename or delete it",
            )
        if observed.namespace and observed.namespace["metadata"].get("deletionTimestamp"):
            raise RemoteUnavailable(
                "kubernetes", "create-namespace", f"namespace {tenant.key} is being emptied"
            )
        changes = []
        for wanted in objects(tenant):
            live = (
                observed.namespace if wanted["kind"] == "Namespace" else observed.objects.get(wanted["kind"])
            )
            if not _holds(live or {}, wanted):
                await self._cluster.apply(wanted)
                changes.append(f"apply {wanted['kind']} {wanted['metadata']['name']}")
        return changes

    async def _delete_namespace(self, tenant: Tenant) -> None:
        await self._cluster.delete("Namespace", tenant.key)
        if await self._cluster.read("Namespace", tenant.key):
            raise RemoteUnavailable(
                "kubernetes", "delete-namespace", f"namespace {tenant.key} is being emptied"
            )

    async def _read(self, tenant: Tenant) -> dict[str, str]:
        return cast("dict[str, str]", await self._redis.hgetall(limits_key(tenant.id, tenant.uid)))

    async def _write(self, tenant: Tenant, limits: dict[str, str]) -> None:
        both: Any = self._redis.pipeline(transaction=True)  # its types promise awaitables that it queues
        both.delete(limits_key(tenant.id, tenant.uid))
        both.hset(limits_key(tenant.id, tenant.uid), mapping=limits)
        await both.execute()

    async def _scan(self, prefix: str, cursor: int) -> tuple[int, list[str]]:
        # Neither an id nor a uid holds what means more in a pattern.
        return cast(
            "tuple[int, list[str]]", await self._redis.scan(cursor, match=f"{prefix}*", count=SCANNED)
        )

    async def _unlink(self, keys: list[str]) -> None:
        await self._redis.unlink(*keys)


def _is_ours(tenant: Tenant, namespace: dict[str, Any]) -> bool:
    labels = namespace["metadata"].get("labels") or {}
    return {**MANAGED_BY, "tenantry.io/tenant": tenant.id}.items() <= labels.items()


def _holds(live: Any, wanted: Any) -> bool:
    """Tell whether ``live`` has everything that is wanted; what others added to it is theirs."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(_holds(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_holds(*pair) for pair in zip(live, wanted, strict=True))
        )
    return bool(live == wanted) or _same_quantity(live, wanted)


def _same_quantity(live: Any, wanted: Any) -> bool:
    """Tell whether two quantities are one: the API server stores ``0.5`` as ``500m``."""
    try:
        return parse_quantity(live) == parse_quantity(wanted)
    except (TypeError, ValueError):
        return False
