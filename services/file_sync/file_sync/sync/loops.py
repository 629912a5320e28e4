"""Loops of the leader: sync changed tenants immediately, and all tenants every few minutes.

A hint from Open WebUI only makes the next poll earlier. The poll reads the changes from the database, so a
lost, doubled or forged hint costs one poll at most.
"""

import asyncio

import structlog
from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenancy.registry import TenantRegistry

from ..adapters.open_webui_database import OpenWebUIDatabase
from ..metrics import SYNCS
from ..planner.models import PlanConfig
from ..planner.persona_index import PersonaIndexCache
from ..settings import FileSyncSettings
from .schedule import Schedule
from .stats import SyncStats
from .tenant_sync import TenantSync

__all__ = ["SyncLoops"]

PLAN_CONCURRENCY = 4
"""Tenants that are planned concurrently; a list of ten thousand documents has some megabytes."""

TENANT_CONCURRENCY = 64
"""Tenants that are synced concurrently; each holds up to some thousand actions in memory."""

TIME_SLICE_SECONDS = 10.0
"""Time for which a tenant's documents are indexed while other tenants wait."""

NEW_FILES_DELAY_SECONDS = 2.0
"""Longest wait of a tenant's new files while its old files are indexed: only a stored file is safe."""

AFTER_HINT_DELAYS_SECONDS = (1.0, 2.0)
"""Delays of two more polls after a hint: Open WebUI announces some changes just before it writes them."""

MIN_POLL_INTERVAL_SECONDS = 0.2
"""Shortest interval between two polls, however many hints come."""


class SyncLoops:
    """Polls the database, and syncs tenants, while this replica is the leader."""

    def __init__(
        self,
        settings: FileSyncSettings,
        *,
        database: OpenWebUIDatabase,
        registry: TenantRegistry,
        personas: PersonaIndexCache,
        tenant_sync: TenantSync,
    ) -> None:
        self._poll_interval_seconds = settings.poll_interval_seconds
        self._full_sync_interval_seconds = settings.full_sync_interval_seconds
        self._config = PlanConfig(settings.document_bytes, settings.files_bucket)
        self._database = database
        self._registry = registry
        self._personas = personas
        self._tenant_sync = tenant_sync
        self._stats = SyncStats()
        self._hinted = asyncio.Event()
        self._log = structlog.get_logger("file_sync")

    def wake(self) -> None:
        """Wake the poll loop; concurrent hints are coalesced."""
        self._hinted.set()

    async def run(self) -> None:
        """Run all loops until cancelled."""
        await self._registry.wait_synced()
        schedule = Schedule()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._run_poll_loop(schedule))
                group.create_task(self._run_full_sync_loop(schedule))
                group.create_task(self._run_worker(schedule))
        finally:
            self._tenant_sync.close()
            schedule.close()

    async def _run_poll_loop(self, schedule: Schedule) -> None:
        fingerprints: dict[str, int] = {}
        delays: list[float] = []
        while True:
            self._tenant_sync.uploads.count_late()  # also while no plan can be made
            try:
                fingerprints = await self._poll(schedule, fingerprints)
            except BackendError as exc:
                self._log.warning("Cannot poll Open WebUI's database; trying again", error=str(exc))
            await asyncio.sleep(MIN_POLL_INTERVAL_SECONDS)
            try:
                async with asyncio.timeout(delays.pop(0) if delays else self._poll_interval_seconds):
                    await self._hinted.wait()
                self._hinted.clear()
                delays = list(AFTER_HINT_DELAYS_SECONDS)
            except TimeoutError:
                pass

    async def _poll(self, schedule: Schedule, previous: dict[str, int]) -> dict[str, int]:
        """Enqueue the tenants that changed; return the current fingerprint of each tenant."""
        personas = self._personas.refresh()
        links: dict[str, list[tuple[str, str]]] = {tenant.id: [] for tenant in self._registry.list_tenants()}
        for link, fingerprint in (await self._database.read_fingerprints()).items():
            persona = personas.resolve(link)
            if persona and persona.tenant_id in links:
                links[persona.tenant_id].append((link.target, fingerprint))
        current = {
            tenant.id: hash((tuple(sorted(links[tenant.id])), _get_relevant_fields(tenant)))
            for tenant in self._registry.list_tenants()
            if tenant.id in links
        }
        schedule.enqueue_changed(
            tenant_id for tenant_id, fingerprint in current.items() if previous.get(tenant_id) != fingerprint
        )
        self._stats.prune(set(current))
        return current

    async def _run_full_sync_loop(self, schedule: Schedule) -> None:
        while True:
            await asyncio.sleep(self._full_sync_interval_seconds)
            schedule.enqueue_full_sync(tenant.id for tenant in self._registry.list_tenants())

    async def _run_worker(self, schedule: Schedule) -> None:
        slots = asyncio.Semaphore(PLAN_CONCURRENCY)
        workers = asyncio.Semaphore(TENANT_CONCURRENCY)

        async def sync(tenant_id: str) -> None:
            try:
                await self._sync(tenant_id, schedule, slots)
            finally:
                workers.release()

        async with asyncio.TaskGroup() as group:
            while True:
                await workers.acquire()
                group.create_task(sync(await schedule.get()))

    async def _sync(self, tenant_id: str, schedule: Schedule, slots: asyncio.Semaphore) -> None:
        tenant = self._registry.get(tenant_id)
        if tenant is None or tenant.deleting or tenant.spec.suspended:
            # Do nothing for this tenant; the next change of the Tenant enqueues it again.
            schedule.mark_done(tenant_id, complete=True)
            return
        clock = asyncio.get_running_loop().time
        started_at = clock()

        def may_continue() -> bool:
            elapsed = clock() - started_at
            has_new_files = elapsed > NEW_FILES_DELAY_SECONDS and schedule.has_changed(tenant_id)
            return not has_new_files and not (schedule.has_waiting and elapsed > TIME_SLICE_SECONDS)

        outcome, complete, progress = "error", False, False
        try:
            result = await self._tenant_sync.run(
                tenant,
                self._personas.current,
                self._config,
                slots=slots,
                may_continue=may_continue,
            )
            self._stats.record(tenant_id, result)
            complete, progress = result.is_complete, result.progress
            outcome = "complete" if complete else "incomplete"
        except BackendError as exc:
            outcome = "unavailable"
            self._log.warning("Cannot sync a tenant; trying again", error=str(exc))
        except Exception:  # noqa: BLE001 (logged; the tenant is synced again)
            self._log.exception("Unexpected error")
        SYNCS.labels(outcome).inc()
        schedule.mark_done(
            tenant_id,
            complete=complete,
            retry_after=self._tenant_sync.backoff.get_retry_after(tenant_id),
            progress=progress,
        )


def _get_relevant_fields(tenant: Tenant) -> tuple[object, ...]:
    """Return the fields of a Tenant that affect the plan for its files."""
    workspace = tenant.status.workspace
    knowledge = tuple((base.persona, base.id) for base in workspace.knowledge) if workspace else ()
    return tenant.metadata.uid, tenant.metadata.generation, tenant.deleting, knowledge
