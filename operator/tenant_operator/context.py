"""Wiring of the operator: creates, starts and closes all objects that live as long as the process."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import structlog
from qdrant_client import AsyncQdrantClient
from redis.asyncio import Redis
from servicekit import kube
from servicekit.certificates import TlsServer, watch_certificates
from servicekit.loop_lag import watch_loop
from servicekit.tasks import cancel_and_wait
from servicekit.tls import create_ssl_context
from tenancy.qdrant_server import QdrantMonitor, QdrantServer
from tenancy.receipts import read_private_key

from .clients.aws import AwsClients
from .clients.cluster import ClusterClient
from .clients.keycloak import Keycloak
from .clients.open_webui import OpenWebUI
from .clients.open_webui_session import OpenWebUISession
from .clients.receipts import ReceiptObjects
from .controller import Controller
from .disabled_part import DisabledPart
from .drain import Drain
from .erasure import Erasure
from .memberships import MembershipChecker
from .part import Part
from .parts.identity import IdentityPart
from .parts.namespace.part import NamespacePart
from .parts.storage.part import StoragePart
from .parts.vectors import VectorsPart, connect
from .parts.workspace.part import WorkspacePart
from .probes import Probes
from .reconcile import Reconciler
from .settings import OperatorSettings
from .tenant_store import TenantStore
from .work_queue import BackoffPolicy

__all__ = ["Clients", "OperatorContext", "build_parts"]


@dataclass(frozen=True)
class Clients:
    """Clients of all external systems; ``open_webui`` is ``None`` on a platform without it."""

    bucket: str
    aws: AwsClients
    qdrant: AsyncQdrantClient
    qdrant_monitor: QdrantMonitor
    keycloak: Keycloak
    cluster: ClusterClient
    redis: Redis
    open_webui: OpenWebUI | None


def build_parts(clients: Clients) -> list[Part[Any] | DisabledPart]:
    """Return every part of the operator. A new part is one line here (docs/how-to/add-a-part.md)."""
    return [
        StoragePart(clients.bucket, clients.aws),
        VectorsPart(clients.qdrant, clients.qdrant_monitor.require_supported),
        IdentityPart(clients.keycloak),
        NamespacePart(clients.redis, clients.cluster),
        WorkspacePart(clients.open_webui, clients.keycloak)
        if clients.open_webui
        else DisabledPart("workspace", NO_OPEN_WEBUI),
    ]


class OperatorContext:
    """Creates and owns clients, parts and background tasks; ``handlers.py`` adds kopf's events.

    Parameters
    ----------
    settings
        Settings of the operator.
    """

    def __init__(self, settings: OperatorSettings) -> None:
        self.settings = settings
        self.tenants = TenantStore(settings.tenant_class)
        self._stack = AsyncExitStack()
        self._log = structlog.get_logger("tenant_operator.context")

    async def open(self) -> Self:
        """Open every client and create all objects; start no task yet."""
        settings, clients = self.settings, await self._open_clients()
        parts = build_parts(clients)
        disabled = [part for part in parts if isinstance(part, DisabledPart)]
        self.parts = [part for part in parts if not isinstance(part, DisabledPart)]
        for part in disabled:
            self._log.info("A part is disabled", part=part.name, reason=part.reason)
        key = read_private_key(settings.receipt_key_file) if settings.receipt_key_file else None
        receipts = ReceiptObjects(clients.bucket, clients.aws)
        erasure = Erasure(self.parts, disabled, receipts, key, _format_now)
        self.reconciler = Reconciler(
            self.parts, clients.cluster, Drain(clients.redis).finish_writes, erasure,
            self.tenants.email_patterns.describe_conflict, _format_now, self.tenants.mark_finalized,
        )  # fmt: skip
        backoff = BackoffPolicy(
            settings.retry_delay_seconds,
            settings.retry_max_delay_seconds,
            settings.stalled_retry_delay_seconds,
        )
        self.controller = Controller(self.tenants, self.reconciler, backoff, settings.concurrency)
        self.memberships = clients.open_webui and MembershipChecker(
            clients.open_webui, clients.keycloak, self.tenants, self.controller.enqueue,
            settings.membership_interval_seconds,
        )  # fmt: skip
        if self.memberships:
            self.controller.add_listener(self.memberships.enqueue_revocation)
        self._cluster = clients.cluster
        self._qdrant_monitor = clients.qdrant_monitor
        return self

    async def start(self) -> None:
        """Load every Tenant, then start all background tasks."""
        self.controller.load(await self._cluster.list_tenants())
        has_stopped = self._start_task(self.controller.run(), "controller")
        if self.memberships:
            self._start_task(self.memberships.run(), "memberships")
            self._start_task(self.memberships.run_revocations(), "revocations")
        self._start_task(self._qdrant_monitor.run(), "qdrant-version")
        self._start_task(watch_loop(), "loop-lag")
        settings = self.settings
        servers = [
            *TlsServer.list_from_url("qdrant", str(settings.qdrant_url), settings.qdrant_ca_file),
            *TlsServer.list_from_url("redis", settings.redis_url.get_secret_value(), settings.redis_ca_file),
            *TlsServer.list_from_url("keycloak", str(settings.keycloak_url)),
        ]
        self._start_task(watch_certificates(servers), "certificates")

        def list_missing() -> list[str]:
            stopped = ["the work queue has stopped"] if has_stopped() else []
            return stopped + [obstacle for obstacle in [self._qdrant_monitor.obstacle] if obstacle]

        probes = Probes(settings.probes_host, settings.probes_port, list_missing)
        await probes.start()
        self._stack.push_async_callback(probes.stop)

    def _enqueue_all(self) -> None:
        for tenant in self.tenants.list_all():
            self.controller.enqueue(tenant.id)

    async def close(self) -> None:
        """Stop all tasks, then close every client."""
        await self._stack.aclose()

    def _start_task(self, work: Coroutine[Any, Any, None], name: str) -> Callable[[], bool]:
        """Start a background task; return a function that returns True after the task's end."""
        task = asyncio.create_task(work, name=name)
        self._stack.push_async_callback(cancel_and_wait, task)
        return task.done

    async def _open_clients(self) -> Clients:
        settings = self.settings
        api = await kube.connect()
        self._stack.push_async_callback(api.close)
        http = await self._stack.enter_async_context(httpx.AsyncClient(timeout=_HTTP))
        qdrant_key = settings.qdrant_api_key.get_secret_value()
        verify = create_ssl_context(settings.qdrant_ca_file)
        qdrant = connect(str(settings.qdrant_url), qdrant_key, verify=verify)
        self._stack.push_async_callback(qdrant.close)
        headers = {"api-key": qdrant_key} if qdrant_key else {}
        server = QdrantServer(str(settings.qdrant_url), lambda _: headers, verify=verify, creates_probe=True)
        monitor = QdrantMonitor(server.find_obstacle, self._enqueue_all)
        redis: Any = Redis.from_url(
            settings.redis_url.get_secret_value(),
            decode_responses=True,
            socket_timeout=3,
            socket_connect_timeout=2,
            **settings.build_redis_options(),
        )
        self._stack.push_async_callback(redis.aclose)
        keycloak = Keycloak(
            str(settings.keycloak_url), settings.keycloak_realm, settings.keycloak_client_id,
            settings.keycloak_client_secret.get_secret_value(), http,
        )  # fmt: skip
        webui = _create_open_webui(settings, http)
        return Clients(
            settings.bucket, AwsClients(), qdrant, monitor, keycloak, ClusterClient(api), redis, webui
        )


def _create_open_webui(settings: OperatorSettings, http: httpx.AsyncClient) -> OpenWebUI | None:
    if settings.open_webui_url is None:
        return None
    password = settings.open_webui_password.get_secret_value()
    return OpenWebUI(
        OpenWebUISession(str(settings.open_webui_url), settings.open_webui_email, password, http)
    )


def _format_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


NO_OPEN_WEBUI = "OPERATOR_OPEN_WEBUI_URL is not set"

_HTTP = httpx.Timeout(8.0, connect=2.0)
