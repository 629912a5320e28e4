"""The loop of the one replica that compares: what changed at once, everything every few minutes.

Events of Open WebUI only make it look earlier. What counts is what the database says when it looks, so an
event that is lost, doubled or made up costs nothing but a look.
"""

import asyncio

import structlog
from servicekit.errors import RemoteError
from tenancy.model import Tenant
from tenancy.registry import TenantRegistry

from ..adapters.source import Source
from ..metrics import COMPARED
from ..planner.persona_cache import Atlas
from ..planner.plan import Rules
from ..settings import Settings
from .schedule import Schedule
from .stats import Tally
from .tenant_sync import Work

__all__ = ["Sync"]

COMPARISONS_AT_ONCE = 4
"""Comparisons hold a tenant's list of documents in memory: some megabytes for ten thousand."""

TENANTS_AT_ONCE = 64
"""Tenants that are being worked for; each has up to some thousand actions in memory."""

TURN_SECONDS = 10.0
"""How long a tenant is worked for while others wait."""

NEWS_SECONDS = 2.0
"""How long new files of a tenant wait for its old ones to be indexed: once stored, they are safe."""

AFTER_HINT_SECONDS = (1.0, 2.0)
"""Looks after the one at a hint: Open WebUI tells of some changes just before it makes them."""

SHORTEST_POLL_SECONDS = 0.2
"""However many hints come, the database is not asked more often."""


class Sync:
    """Compares tenants while it is asked to lead.

    Parameters
    ----------
    atlas
        Knows which personas there are.
    """

    def __init__(
        self, settings: Settings, *, source: Source, registry: TenantRegistry, atlas: Atlas, work: Work
    ) -> None:
        self._poll_seconds = settings.poll_seconds
        self._full_seconds = settings.full_seconds
        self._rules = Rules(settings.document_bytes, settings.files_bucket)
        self._source = source
        self._registry = registry
        self._atlas = atlas
        self._work = work
        self._tally = Tally()
        self._hinted = asyncio.Event()
        self._log = structlog.get_logger("file_sync")

    def hint(self) -> None:
        """Look at once; any number of hints is one look."""
        self._hinted.set()

    async def lead(self) -> None:
        """Compare until cancelled."""
        await self._registry.wait_synced()
        schedule = Schedule()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._poll_on(schedule))
                group.create_task(self._visit_on(schedule))
                group.create_task(self._work_on(schedule))
        finally:
            self._work.let_go()
            schedule.close()

    async def _poll_on(self, schedule: Schedule) -> None:
        seen: dict[str, int] = {}
        due: list[float] = []
        while True:
            try:
                seen = await self._poll(schedule, seen)
            except RemoteError as exc:
                self._log.warning("Cannot ask Open WebUI's database; asking again", error=str(exc))
            await asyncio.sleep(SHORTEST_POLL_SECONDS)
            try:
                async with asyncio.timeout(due.pop(0) if due else self._poll_seconds):
                    await self._hinted.wait()
                self._hinted.clear()
                due = list(AFTER_HINT_SECONDS)
            except TimeoutError:
                pass

    async def _poll(self, schedule: Schedule, seen: dict[str, int]) -> dict[str, int]:
        """Schedule the tenants that changed; return what there is now, to compare with."""
        places = self._atlas.renew()
        prints: dict[str, list[tuple[str, str]]] = {tenant.id: [] for tenant in self._registry.all()}
        for link, fingerprint in (await self._source.fingerprints()).items():
            place = places.of(link)
            if place and place.tenant_id in prints:
                prints[place.tenant_id].append((link.target, fingerprint))
        now = {
            tenant.id: hash((tuple(sorted(prints[tenant.id])), _shape(tenant)))
            for tenant in self._registry.all()
            if tenant.id in prints
        }
        schedule.change(tenant_id for tenant_id, each in now.items() if seen.get(tenant_id) != each)
        self._tally.keep(set(now))
        return now

    async def _visit_on(self, schedule: Schedule) -> None:
        while True:
            await asyncio.sleep(self._full_seconds)
            schedule.visit(tenant.id for tenant in self._registry.all())

    async def _work_on(self, schedule: Schedule) -> None:
        comparing = asyncio.Semaphore(COMPARISONS_AT_ONCE)
        room = asyncio.Semaphore(TENANTS_AT_ONCE)

        async def one(tenant_id: str) -> None:
            try:
                await self._work_for(tenant_id, schedule, comparing)
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            while True:
                await room.acquire()
                group.create_task(one(await schedule.next()))

    async def _work_for(self, tenant_id: str, schedule: Schedule, comparing: asyncio.Semaphore) -> None:
        tenant = self._registry.get(tenant_id)
        if tenant is None or tenant.deleting or tenant.spec.suspended:
            # Nothing is done and nothing is deleted; what changes then is the Tenant, and that is seen.
            schedule.done(tenant_id, settled=True)
            return
        clock = asyncio.get_running_loop().time
        began = clock()

        def may_go_on() -> bool:
            has_news = clock() > began + NEWS_SECONDS and schedule.has_changed(tenant_id)
            return not has_news and not (schedule.others_wait and clock() > began + TURN_SECONDS)

        outcome, settled, progress = "error", False, False
        try:
            worked = await self._work.run(
                tenant,
                self._atlas.places,
                self._rules,
                comparing=comparing,
                may_go_on=may_go_on,
            )
            self._tally.note(tenant_id, worked)
            settled, progress = worked.settled, worked.progress
            outcome = "settled" if settled else "unsettled"
        except RemoteError as exc:
            outcome = "away"
            self._log.warning("Cannot compare a tenant; it is tried again", error=str(exc))
        except Exception:  # noqa: BLE001 (logged; the tenant is compared again)
            self._log.exception("Unexpected error")
        COMPARED.labels(outcome).inc()
        schedule.done(
            tenant_id,
            settled=settled,
            closed_for=self._work.door.closed_for(tenant_id),
            progress=progress,
        )


def _shape(tenant: Tenant) -> tuple[object, ...]:
    """Return what of a Tenant decides on its files."""
    workspace = tenant.status.workspace
    knowledge = tuple((each.persona, each.id) for each in workspace.knowledge) if workspace else ()
    return tenant.metadata.uid, tenant.metadata.generation, tenant.deleting, knowledge
