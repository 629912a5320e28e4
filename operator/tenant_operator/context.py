"""How the operator is wired: everything that lives as long as the process, opened and closed in one place."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import httpx
from redis.asyncio import Redis
from servicekit import kube
from servicekit.loop_lag import watch_loop
from servicekit.tasks import cancel_and_wait
from servicekit.tls import ssl_context
from structlog.contextvars import bound_contextvars
from tenancy.receipts import read_private_key

from .clients.aws import AwsClients
from .clients.cluster import Cluster
from .clients.keycloak import Keycloak
from .clients.open_webui import OpenWebui
from .clients.open_webui_session import Session
from .clients.receipts import ReceiptObjects
from .controller import Controller, Pauses
from .disabled_part import AbsentPart
from .drain import Drain
from .erasure import Erasure
from .memberships import Memberships
from .metrics import READY_SECONDS
from .parts.identity import IdentityPart
from .parts.namespace.part import QuotaPart
from .parts.storage.part import StoragePart
from .parts.vectors import VectorsPart, connect
from .parts.workspace.part import WorkspacePart
from .probes import Probes
from .reconcile import Outcome, Reconciler
from .settings import Settings
from .tenant_store import Tenants

if TYPE_CHECKING:
    from .part import Part

__all__ = ["Context"]


class Context:
    """The operator without its triggers.

    Parameters
    ----------
    settings
        Where everything is.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tenants = Tenants()
        self._stack = AsyncExitStack()

    async def open(self) -> Self:
        """Open every client and wire the parts; nothing is done yet."""
        settings = self.settings
        api = await kube.connect()
        self._stack.push_async_callback(api.close)
        cluster = Cluster(api)
        http = await self._stack.enter_async_context(httpx.AsyncClient(timeout=_HTTP))
        qdrant = connect(
            str(settings.qdrant_url),
            settings.qdrant_api_key.get_secret_value(),
            verify=ssl_context(settings.qdrant_ca_file),
        )
        self._stack.push_async_callback(qdrant.close)
        redis: Any = Redis.from_url(
            settings.redis_url.get_secret_value(),
            decode_responses=True,
            socket_timeout=3,
            socket_connect_timeout=2,
        )
        self._stack.push_async_callback(redis.aclose)
        keycloak = Keycloak(
            str(settings.keycloak_url), settings.keycloak_realm, settings.keycloak_client_id,
            settings.keycloak_client_secret.get_secret_value(), http,
        )  # fmt: skip
        webui = _open_webui(settings, http)
        aws = AwsClients()
        parts: list[Part[Any]] = [
            StoragePart(settings.bucket, aws),
            VectorsPart(qdrant),
            IdentityPart(keycloak),
            QuotaPart(redis, cluster),
            WorkspacePart(webui, keycloak) if webui else AbsentPart("workspace", NO_OPEN_WEBUI),
        ]
        key = read_private_key(settings.receipt_key_file) if settings.receipt_key_file else None
        erasure = Erasure(parts, ReceiptObjects(settings.bucket, aws), key, _now)
        self.reconciler = Reconciler(
            parts, cluster, Drain(redis).finish_writes, erasure, self.tenants.claims.conflict, _now,
            self.tenants.note_taken_down,
        )  # fmt: skip
        pauses = Pauses(settings.retry_seconds, settings.retry_longest_seconds, settings.stalled_seconds)
        self.controller = Controller(self.reconcile, pauses, settings.concurrency)
        self.memberships = webui and Memberships(
            webui, keycloak, self.tenants, self.controller.enqueue, settings.membership_seconds
        )
        self._cluster = cluster
        return self

    async def start(self) -> None:
        """Learn of every Tenant, and begin to work."""
        # Known before the first reconcile: the younger of two Tenants must not go first by chance.
        for body in await self._cluster.list_tenants():
            self._take(body)
        worker = asyncio.create_task(self.controller.run(), name="controller")
        self._stack.push_async_callback(cancel_and_wait, worker)
        if self.memberships:
            for work in (self.memberships.run(), self.memberships.follow()):
                self._stack.push_async_callback(
                    cancel_and_wait, asyncio.create_task(work, name="memberships")
                )
        lag = asyncio.create_task(watch_loop(), name="loop-lag")
        self._stack.push_async_callback(cancel_and_wait, lag)
        settings = self.settings
        probes = Probes(settings.probes_host, settings.probes_port, lambda: not worker.done())
        await probes.start()
        self._stack.push_async_callback(probes.stop)

    async def close(self) -> None:
        """Stop working, then close every client."""
        await self._stack.aclose()

    def see(self, body: Any, *, deleted: bool = False) -> None:
        """Take an event of the watch."""
        for name in self._take(body, deleted=deleted):
            if self.memberships:
                self.memberships.revoke_soon(name)

    def _take(self, body: Any, *, deleted: bool = False) -> tuple[str, ...]:
        """Have the Tenants reconciled that an event affects; return their names."""
        seen = self.tenants.see(body, deleted=deleted)
        for number, name in enumerate(seen.names):
            self.controller.enqueue(name, urgent=seen.urgent and number == 0)
        return seen.names

    async def reconcile(self, name: str) -> Outcome:
        """Reconcile the newest state of a Tenant, after what an earlier one of its name has left behind."""
        tenant, orphan = self.tenants.get(name), self.tenants.orphan(name)
        if orphan:
            cleaned = await self.reconciler.clean_up(orphan, successor=tenant)
            if cleaned.failure:
                return cleaned
            self.tenants.forget_orphan(name)
        if tenant is None:
            return Outcome()
        with bound_contextvars(uid=tenant.uid):
            outcome = await self.reconciler.reconcile(tenant)
        first_time = tenant.status.observed_generation is None
        if first_time and not outcome.failure and tenant.metadata.creation_timestamp:
            READY_SECONDS.observe((datetime.now(UTC) - tenant.metadata.creation_timestamp).total_seconds())
        return outcome


def _open_webui(settings: Settings, http: httpx.AsyncClient) -> OpenWebui | None:
    if settings.open_webui_url is None:
        return None
    password = settings.open_webui_password.get_secret_value()
    return OpenWebui(Session(str(settings.open_webui_url), settings.open_webui_email, password, http))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


NO_OPEN_WEBUI = "OPERATOR_OPEN_WEBUI_URL is not set"

_HTTP = httpx.Timeout(8.0, connect=2.0)
