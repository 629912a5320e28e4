"""The Tenants as this process knows them: listed once, then watched.

While the API server is away the last known state is served: people go on working, and only changes
wait. What a reader could get wrong: before the first list nothing is known, and nothing known is not the
same as no Tenants, so callers check :attr:`TenantRegistry.synced`.
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
from servicekit.tasks import background_task

from .directory import Directory
from .model import Tenant
from .names import GROUP, PLURAL, VERSION

__all__ = ["TenantRegistry", "watched_registry"]

WATCH_SECONDS = 60
"""One watch lasts this long. A connection that died without a word is noticed after that and a little."""

WATCH_GRACE_SECONDS = 10
"""How much longer than the server we wait before we give a watch up for dead."""

LIST_SECONDS = 30
"""Bound of the first list."""

GET_SECONDS = 5.0
"""Bound of a look at one Tenant."""

BACKOFF_SECONDS = (0.5, 30.0)
"""Shortest and longest pause between two tries to reach the API server."""

NOT_FOUND = 404

GONE = 410
"""HTTP status: the resource version is too old to resume from; list again."""

TENANTS = Gauge("tenantry_registry_tenants", "Tenants known to this process")
FAILURES = Counter("tenantry_registry_failures_total", "Lists and watches of Tenants that failed")
UNREADABLE = Counter("tenantry_registry_unreadable_total", "Tenants that this version cannot read")


class TenantRegistry:
    """All Tenants, kept current by a watch.

    Parameters
    ----------
    api
        A client with the right to list and watch Tenants; the caller closes it.

    Attributes
    ----------
    directory
        The Tenants; another object after each list.
    """

    def __init__(self, api: client.ApiClient) -> None:
        self.directory = Directory()
        self._synced = asyncio.Event()
        self._listeners: defaultdict[str, set[Callable[[], None]]] = defaultdict(set)
        self._custom = client.CustomObjectsApi(api)
        self._remote = Remote("kubernetes", classify, timeout=GET_SECONDS)
        self._log = structlog.get_logger("tenancy.registry")

    @property
    def synced(self) -> bool:
        """Whether the Tenants have been listed at least once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return when the Tenants have been listed at least once."""
        await self._synced.wait()

    def get(self, tenant_id: str) -> Tenant | None:
        """Return the Tenant of that id, or ``None`` when there is none."""
        return self.directory.get(tenant_id)

    def all(self) -> tuple[Tenant, ...]:
        """Return every Tenant, in no particular order."""
        return self.directory.all()

    async def is_current(self, tenant: Tenant) -> bool:
        """Ask the API server itself whether a Tenant is there, and is not being deleted.

        What the watch has shown may be seconds old, and is of no use to whoever must not be late.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The API server did not answer, or refused.
        """

        async def call() -> Any:
            try:
                return await self._custom.get_cluster_custom_object(
                    GROUP, VERSION, PLURAL, tenant.id, _request_timeout=GET_SECONDS
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
    def subscribed(self, tenant_id: str, changed: Callable[[], None]) -> Iterator[None]:
        """Call ``changed`` after each change of a Tenant for as long as the block lasts."""
        self._listeners[tenant_id].add(changed)
        try:
            yield
        finally:
            self._listeners[tenant_id].discard(changed)
            if not self._listeners[tenant_id]:
                del self._listeners[tenant_id]

    def _notify(self, tenant_ids: Collection[str]) -> None:
        for changed in [each for tenant_id in tenant_ids for each in self._listeners.get(tenant_id, ())]:
            changed()

    async def run(self) -> None:
        """List and watch until cancelled; never raises because of the API server."""
        pause, longest = BACKOFF_SECONDS
        while True:
            try:
                version = await self._list()
                pause = BACKOFF_SECONDS[0]
                await self._follow(version)
            except (client.exceptions.ApiException, aiohttp.ClientError, TimeoutError, OSError) as exc:
                FAILURES.inc()
                self._log.warning(
                    "Cannot reach the API server; serving the last known Tenants", error=str(exc)
                )
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 (jitter, not a secret)
                pause = min(pause * 2, longest)

    async def _list(self) -> str:
        listed = await self._custom.list_cluster_custom_object(
            GROUP, VERSION, PLURAL, _request_timeout=LIST_SECONDS
        )
        assert isinstance(listed, dict)  # noqa: S101 (the client promises `object`)
        read = (self._read(body) for body in listed["items"])
        # Replaced whole: a Tenant deleted while nobody watched must not stay.
        self.directory = Directory(tenant for tenant in read if tenant)
        TENANTS.set(len(self.directory))
        self._synced.set()
        self._notify(list(self._listeners))
        return str(listed["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        """Watch from ``version`` on, connection after connection, until the server has forgotten it."""
        while True:
            stream = watch.Watch().stream(
                self._custom.list_cluster_custom_object,
                GROUP,
                VERSION,
                PLURAL,
                resource_version=version,
                allow_watch_bookmarks=True,
                timeout_seconds=WATCH_SECONDS,
                _request_timeout=WATCH_SECONDS + WATCH_GRACE_SECONDS,
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
        """Read a Tenant; one that cannot be read is treated as absent, so nobody is let in by it."""
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
async def watched_registry() -> AsyncIterator[tuple[TenantRegistry, "asyncio.Task[None]"]]:
    """Keep a registry current while the block runs; return the task that does, too."""
    async with await kube.connect() as api:
        registry = TenantRegistry(api)
        async with background_task(registry.run(), "registry") as watching:
            yield registry, watching
