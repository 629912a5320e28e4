"""Operator part that keeps the tenant's namespace and its quota, and removes its keys in Redis.

Only a tenant with ``quota.compute`` has a namespace. A namespace of the same name that the operator did not
create is never changed or deleted. The services write the keys in Redis; this part removes them.
"""

import functools
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis
from servicekit.errors import BackendRefused, BackendUnavailable
from servicekit.redis_errors import classify
from servicekit.remote import Remote
from tenancy.model import QuotaStatus, Tenant
from tenancy.names import build_redis_prefix, is_tombstone
from tenancy.quantities import parse_quantity

from ...clients.cluster import ClusterClient
from ...part import EnsureResult
from .objects import MANAGED_BY, build_objects

__all__ = ["NamespacePart", "NamespaceState"]

CALL_TIMEOUT_SECONDS = 5.0

SCAN_COUNT = 1000
"""Number of keys that Redis examines in one call. The call takes well below a millisecond and blocks all
other clients."""


@dataclass(frozen=True)
class NamespaceState:
    """The tenant's namespace (``None`` when it is absent), and the objects in it by kind."""

    namespace: dict[str, Any] | None = None
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)


class NamespacePart:
    """Keeps the namespace of a tenant with ``quota.compute``, and removes the tenant's keys in Redis.

    The part's name, ``quota``, is public: the condition ``QuotaReady`` and the section ``status.quota``
    contain it (decision 172).

    Parameters
    ----------
    redis
        Redis of the services; the caller closes it.
    cluster
        The Kubernetes API.
    """

    name = "quota"
    after = ""
    section = QuotaStatus
    retained = ("keys", "namespace")

    def __init__(self, redis: Redis, cluster: ClusterClient) -> None:
        self._redis = redis
        self._cluster = cluster
        self._remote = Remote("redis", classify, timeout=CALL_TIMEOUT_SECONDS)

    async def observe(self, tenant: Tenant) -> NamespaceState:
        """Read the namespace and its objects.

        It reads the namespace even when neither spec nor status names a namespace. A run that was killed may
        have created the namespace without recording it in the status.
        """
        namespace = await self._cluster.get("Namespace", tenant.key)
        objects = {}
        if namespace:
            for wanted in build_objects(tenant)[1:]:
                live = await self._cluster.get(wanted["kind"], wanted["metadata"]["name"], tenant.key)
                objects[wanted["kind"]] = live or {}
        return NamespaceState(namespace, objects)

    async def ensure(self, tenant: Tenant, observed: NamespaceState) -> EnsureResult:
        """Apply the objects that differ; delete the namespace of a tenant without ``quota.compute``.

        Raises
        ------
        BackendRefused
            A namespace of that name exists that the operator did not create.
        BackendUnavailable
            The tenant's former namespace is still terminating.
        """
        if tenant.spec.quota.compute:
            return EnsureResult(await self._ensure_namespace(tenant, observed), {"namespace": tenant.key})
        changes = []
        if observed.namespace and _is_managed(tenant, observed.namespace):
            changes.append(f"delete namespace {tenant.key}")
            await self._delete_namespace(tenant)
        return EnsureResult(changes, {"namespace": ""})

    async def remove(self, tenant: Tenant) -> None:
        """Delete the tenant's Redis keys, of any uid, and its namespace; return when all are gone."""
        # Without the colon, tenant-a would match tenant-ab.
        await self._delete_keys(f"{tenant.key}:")
        namespace = await self._cluster.get("Namespace", tenant.key)
        if namespace and _is_managed(tenant, namespace):
            await self._delete_namespace(tenant)

    async def count(self, tenant: Tenant) -> dict[str, int]:
        """Count the tenant's namespace and its keys in Redis, except tombstones, which hold no data."""
        counted_keys: set[str] = set()
        cursor = 0
        while True:
            page = functools.partial(self._scan, f"{tenant.key}:", cursor)
            cursor, keys = await self._remote.call("scan-keys", page)
            counted_keys.update(key for key in keys if not is_tombstone(key))  # Redis may return a key twice
            if not cursor:
                break
        namespace = await self._cluster.get("Namespace", tenant.key)
        return {
            f"keys {tenant.key}:*": len(counted_keys),
            f"namespace {tenant.key}": int(bool(namespace and _is_managed(tenant, namespace))),
        }

    async def release(self, tenant: Tenant) -> None:
        """Delete cached answers and replies. Usage counters stay for billing until they expire."""
        retained = tuple(
            f"{build_redis_prefix(tenant.id, tenant.uid)}{counter}:" for counter in ("usage", "tokens")
        )
        await self._delete_keys(build_redis_prefix(tenant.id, tenant.uid), retained)

    async def _delete_keys(self, prefix: str, retained: tuple[str, ...] = ()) -> None:
        """Delete keys with a prefix, except tombstones and keys that begin with ``retained``."""
        cursor = 0
        while True:
            page = functools.partial(self._scan, prefix, cursor)
            cursor, scanned = await self._remote.call("scan-keys", page)
            if keys := [key for key in scanned if not (is_tombstone(key) or key.startswith(retained))]:
                await self._remote.call("delete-keys", functools.partial(self._delete, keys))
            if not cursor:
                return

    async def _ensure_namespace(self, tenant: Tenant, observed: NamespaceState) -> list[str]:
        if observed.namespace and not _is_managed(tenant, observed.namespace):
            raise BackendRefused(
                "kubernetes",
                "adopt-namespace",
                f"namespace {tenant.key} exists and is not managed by tenantry; rename or delete it",
            )
        if observed.namespace and observed.namespace["metadata"].get("deletionTimestamp"):
            raise BackendUnavailable(
                "kubernetes", "create-namespace", f"namespace {tenant.key} is terminating"
            )
        changes = []
        for wanted in build_objects(tenant):
            live = (
                observed.namespace if wanted["kind"] == "Namespace" else observed.objects.get(wanted["kind"])
            )
            if not _contains(live or {}, wanted):
                await self._cluster.apply(wanted)
                changes.append(f"apply {wanted['kind']} {wanted['metadata']['name']}")
        return changes

    async def _delete_namespace(self, tenant: Tenant) -> None:
        await self._cluster.delete("Namespace", tenant.key)
        if await self._cluster.get("Namespace", tenant.key):
            raise BackendUnavailable(
                "kubernetes", "delete-namespace", f"namespace {tenant.key} is terminating"
            )

    async def _scan(self, prefix: str, cursor: int) -> tuple[int, list[str]]:
        # Neither an id nor a uid contains a special character of patterns.
        return cast(
            "tuple[int, list[str]]", await self._redis.scan(cursor, match=f"{prefix}*", count=SCAN_COUNT)
        )

    async def _delete(self, keys: list[str]) -> None:
        await self._redis.unlink(*keys)


def _is_managed(tenant: Tenant, namespace: dict[str, Any]) -> bool:
    labels = namespace["metadata"].get("labels") or {}
    return {**MANAGED_BY, "tenantry.io/tenant": tenant.id}.items() <= labels.items()


def _contains(live: Any, wanted: Any) -> bool:
    """Return True if ``live`` has every wanted value; ignore values that other writers added."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            _contains(live.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_contains(*pair) for pair in zip(live, wanted, strict=True))
        )
    return bool(live == wanted) or _is_same_quantity(live, wanted)


def _is_same_quantity(live: Any, wanted: Any) -> bool:
    """Return True if two quantities are equal in value: the API server stores ``0.5`` as ``500m``."""
    try:
        return parse_quantity(live) == parse_quantity(wanted)
    except (TypeError, ValueError):
        return False
