"""Cache of all Tenants of one class, filled by a list and kept current by a watch.

While the API server is unavailable, callers get the cached state. Before the first list the cache is empty,
even if Tenants exist, so callers check :attr:`TenantRegistry.synced`.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import structlog
from kubernetes.aio import client, watch
from prometheus_client import Counter, Gauge
from pydantic import ValidationError
from servicekit import kube
from servicekit.kube import classify
from servicekit.remote import Remote
from servicekit.tasks import run_background_task

from .directory import Directory
from .model import Tenant, get_tenant_class
from .names import GROUP, PLURAL, VERSION

__all__ = ["TenantRegistry", "open_registry"]

WATCH_TIMEOUT_SECONDS = 60
"""Duration of one watch. A dead connection is detected :data:`WATCH_GRACE_SECONDS` after it."""

WATCH_GRACE_SECONDS = 10
"""Time beyond the server's timeout after which a watch is abandoned."""

LIST_TIMEOUT_SECONDS = 30
"""Timeout of a list."""

GET_TIMEOUT_SECONDS = 5.0
"""Timeout of a read of one Tenant."""

BACKOFF_DELAY_SECONDS = (0.5, 30.0)
"""Shortest and longest pause between two attempts to reach the API server."""

NOT_FOUND = 404

GONE = 410
"""HTTP status: the resource version is too old to resume from; list again."""

TENANTS = Gauge("tenantry_registry_tenants", "Tenants known to this process")
FAILURES = Counter("tenantry_registry_failures_total", "Lists and watches of Tenants that failed")
UNREADABLE = Counter("tenantry_registry_unreadable_total", "Tenants that this version cannot read")


class TenantRegistry:
    """Informer cache of the Tenants of one class. Tenants of other classes do not exist for its users.

    Parameters
    ----------
    api
        Client with permission to list and watch Tenants; the caller closes it.
    tenant_class
        Class of the Tenants.

    Attributes
    ----------
    directory
        Index of the Tenants, replaced by each list.
    """

    def __init__(self, api: client.ApiClient, tenant_class: str) -> None:
        self.directory = Directory()
        self._tenant_class = tenant_class
        self._synced = asyncio.Event()
        self._listeners: defaultdict[str, set[Callable[[], None]]] = defaultdict(set)
        self._custom = client.CustomObjectsApi(api)
        self._remote = Remote("kubernetes", classify, timeout=GET_TIMEOUT_SECONDS)
        self._log = structlog.get_logger("tenancy.registry")

    @property
    def synced(self) -> bool:
        """True after the first list."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait for the first list."""
        await self._synced.wait()

    def get(self, tenant_id: str) -> Tenant | None:
        """Return the Tenant with an id, or ``None``."""
        return self.directory.get(tenant_id)

    def list_tenants(self) -> tuple[Tenant, ...]:
        """Return all Tenants, in no particular order."""
        return self.directory.list_tenants()

    async def is_current(self, tenant: Tenant) -> bool:
        """Return True if the API server has the Tenant and it is not being deleted.

        It asks the API server, because the cache can be seconds old.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The API server did not answer, or refused.
        """

        async def call() -> Any:
            try:
                return await self._custom.get_cluster_custom_object(
                    GROUP, VERSION, PLURAL, tenant.id, _request_timeout=GET_TIMEOUT_SECONDS
                )
            except client.exceptions.ApiException as exc:
                if exc.status == NOT_FOUND:
                    return None
                raise

        body = await self._remote.call("get-tenant", call)
        if body is None:
            return False
        metadata = body["metadata"]
        return metadata["uid"] == tenant.uid and not metadata.get("deletionTimestamp")

    @contextmanager
    def subscribe(self, tenant_id: str, changed: Callable[[], None]) -> Iterator[None]:
        """Call ``changed`` after each change of a Tenant while the block runs."""
        self._listeners[tenant_id].add(changed)
        try:
            yield
        finally:
            self._listeners[tenant_id].discard(changed)
            if not self._listeners[tenant_id]:
                del self._listeners[tenant_id]

    def _notify(self, tenant_ids: Collection[str]) -> None:
        listeners = [call for tenant_id in tenant_ids for call in self._listeners.get(tenant_id, ())]
        for listener in listeners:
            listener()

    async def run(self) -> None:
        """List and watch until cancelled; errors of the API server are retried."""
        pause, longest = BACKOFF_DELAY_SECONDS
        while True:
            try:
                version = await self._reload_directory()
                pause = BACKOFF_DELAY_SECONDS[0]
                await self._follow(version)
            except (client.exceptions.ApiException, aiohttp.ClientError, TimeoutError, OSError) as exc:
                FAILURES.inc()
                self._log.warning(
                    "Cannot reach the API server; serving the last known Tenants", error=str(exc)
                )
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 (jitter, not a secret)
                pause = min(pause * 2, longest)

    async def _reload_directory(self) -> str:
        """Replace the directory by a new list of all Tenants; return its resource version."""
        listed = await self._custom.list_cluster_custom_object(
            GROUP, VERSION, PLURAL, _request_timeout=LIST_TIMEOUT_SECONDS
        )
        assert isinstance(listed, dict)  # noqa: S101 (the client promises `object`)
        read = (self._read(body) for body in listed["items"])
        # Replaced as a whole, so that Tenants deleted without a watch event disappear.
        self.directory = Directory(tenant for tenant in read if tenant)
        TENANTS.set(len(self.directory))
        self._synced.set()
        self._notify(list(self._listeners))
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        """Watch from ``version`` on, in successive connections, until the server no longer has it."""
        while True:
            stream = watch.Watch().stream(
                self._custom.list_cluster_custom_object,
                GROUP,
                VERSION,
                PLURAL,
                resource_version=version,
                allow_watch_bookmarks=True,
                timeout_seconds=WATCH_TIMEOUT_SECONDS,
                _request_timeout=WATCH_TIMEOUT_SECONDS + WATCH_GRACE_SECONDS,
            )
            try:
                async with stream:
                    async for event in stream:
                        self._apply(event["type"], event["raw_object"])
                        version = stream.resource_version
            except client.exceptions.ApiException as exc:
                if exc.status != GONE:
                    raise
                self._log.info("The watch is too old to resume; listing again")
                return

    def _apply(self, kind: str, body: Mapping[str, Any]) -> None:
        if kind == "BOOKMARK":
            return
        name = body["metadata"]["name"]
        tenant = None if kind == "DELETED" else self._read(body)
        if tenant:
            self.directory.put(tenant)
        else:
            self.directory.discard(name)
        TENANTS.set(len(self.directory))
        self._notify([name])

    def _read(self, body: Mapping[str, Any]) -> Tenant | None:
        """Return a Tenant, so that callers resolve to it; ``None`` for another class or an invalid Tenant."""
        if get_tenant_class(body) != self._tenant_class:
            return None
        try:
            return Tenant.from_object(body)
        except ValidationError as exc:
            UNREADABLE.inc()
            self._log.error(
                "Cannot read a Tenant",
                tenant=body["metadata"]["name"],
                errors=exc.errors(include_input=False),
            )
            return None


@asynccontextmanager
async def open_registry(tenant_class: str) -> AsyncIterator[tuple[TenantRegistry, "asyncio.Task[None]"]]:
    """Yield a registry of a class and the task that keeps it current while the block runs."""
    async with await kube.connect() as api:
        registry = TenantRegistry(api, tenant_class)
        async with run_background_task(registry.run(), "registry") as watching:
            yield registry, watching
