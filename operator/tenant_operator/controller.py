"""Controller: from events of the watch to reconciles of Tenants."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from structlog.contextvars import bound_contextvars
from tenancy.model import Tenant

from .metrics import READY_SECONDS
from .reconcile import Outcome, Reconciler
from .tenant_store import Affected, TenantStore
from .work_queue import BackoffPolicy, WorkQueue

__all__ = ["Controller"]


class Controller:
    """Enqueues the Tenants that an event affects, and reconciles their newest state.

    Parameters
    ----------
    tenants
        Newest state of every Tenant.
    reconciler
        Reconciles one Tenant.
    backoff
        Pauses after failures.
    concurrency
        Number of Tenants that are reconciled concurrently.
    """

    def __init__(
        self, tenants: TenantStore, reconciler: Reconciler, backoff: BackoffPolicy, concurrency: int
    ) -> None:
        self._tenants = tenants
        self._reconciler = reconciler
        self._queue = WorkQueue(self.reconcile, backoff, concurrency)
        self._listeners: list[Callable[[str], None]] = []

    def add_listener(self, listener: Callable[[str], None]) -> None:
        """Call a function with the name of every Tenant that an event affects."""
        self._listeners.append(listener)

    def load(self, bodies: Iterable[Mapping[str, Any]]) -> None:
        """Record and enqueue all Tenants that exist at start.

        Record all Tenants before the first reconcile: otherwise the younger of two conflicting Tenants could
        win.
        """
        for body in bodies:
            self._enqueue_all(self._tenants.update(body))

    def handle_event(self, body: Mapping[str, Any], *, deleted: bool = False) -> None:
        """Record an event of the watch, and enqueue the Tenants that it affects."""
        affected = self._tenants.update(body, deleted=deleted)
        self._enqueue_all(affected)
        for name in affected.names:
            for listener in self._listeners:
                listener(name)

    def enqueue(self, name: str) -> None:
        """Enqueue one Tenant."""
        self._queue.enqueue(name)

    async def run(self) -> None:
        """Reconcile enqueued Tenants until cancelled."""
        await self._queue.run()

    async def reconcile(self, name: str) -> Outcome:
        """Reconcile the newest state of a Tenant; first finalize an orphan of the same name."""
        tenant, orphan = self._tenants.get(name), self._tenants.get_orphan(name)
        if orphan:
            finalized = await self._reconciler.finalize_orphan(orphan, successor=tenant)
            if finalized.failure:
                return finalized
            self._tenants.remove_orphan(name)
        if tenant is None:
            return Outcome()
        with bound_contextvars(uid=tenant.uid):
            outcome = await self._reconciler.reconcile(tenant)
        _observe_ready_seconds(tenant, outcome)
        return outcome

    def _enqueue_all(self, affected: Affected) -> None:
        for number, name in enumerate(affected.names):
            self._queue.enqueue(name, urgent=affected.urgent and number == 0)


def _observe_ready_seconds(tenant: Tenant, outcome: Outcome) -> None:
    first_time = tenant.status.observed_generation is None
    if first_time and not outcome.failure and tenant.metadata.creation_timestamp:
        READY_SECONDS.observe((datetime.now(UTC) - tenant.metadata.creation_timestamp).total_seconds())
