"""Sync of one tenant: plan, store missing files in S3, index them, and delete removed documents.

Files are stored and indexed concurrently. Storing continues while n8n or the gateway is unavailable, because
a stored file cannot be lost. If the process is killed, the next sync plans the remaining actions. Repeating
an action changes nothing.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import structlog
from servicekit.errors import BackendError, BackendUnavailable
from servicekit.fair_semaphore import FairSemaphore
from tenancy.model import Tenant
from tenancy.names import FILE_DOCUMENTS, derive_file_document_id

from ..adapters.document_owners import DocumentOwnerResolver
from ..adapters.document_store import DocumentStore
from ..adapters.downloads import FileDownloader
from ..adapters.gateway import GatewayClient
from ..adapters.open_webui_database import OpenWebUIDatabase
from ..adapters.owners import OwnerResolver
from ..adapters.upload_workflow import UploadWorkflow
from ..metrics import ACTIONS, STORE_LAG
from ..models import File, StorageUsage
from ..planner.models import ActionType, FileReport, FileState, Plan, PlanConfig, PlannedAction
from ..planner.persona_index import PersonaIndex
from ..planner.plan import build_plan
from ..problems import DeletionsHeld, FileRefused, IngestRefused, RetryLater
from .backoff import BackoffGate
from .in_flight_calls import InFlightCalls
from .upload_tracker import UploadTracker

__all__ = ["SyncResult", "TenantSync"]

MAX_ACTIONS = 2000
"""Maximum number of actions of one run, to limit memory; the next sync plans the others."""

MAX_LOGGED = 100_000
"""Limit of the kept files that were logged."""


@dataclass
class SyncResult:
    """Result of a sync run.

    Parameters
    ----------
    unassigned_owners
        Ids (in Open WebUI) of file owners who have no tenant.
    remaining
        Number of actions that the run did not complete.
    """

    plan: Plan
    unassigned_owners: set[str] = field(default_factory=set)
    remaining: int = 0

    @property
    def is_complete(self) -> bool:
        """True if no other sync is needed until something changes."""
        return not (self.remaining or self.plan.needs_recheck or self.unassigned_owners)

    @property
    def progress(self) -> bool:
        """True if the run completed at least one action."""
        return self.remaining + self.plan.blocked_deletions < len(self.plan.actions)


class TenantSync:
    """Plans the actions of tenants and executes them.

    Parameters
    ----------
    put_slots, ingest_slots
        Limit the concurrent copies to S3, and the concurrent documents at n8n.
    """

    def __init__(
        self,
        *,
        database: OpenWebUIDatabase,
        downloader: FileDownloader,
        store: DocumentStore,
        gateway: GatewayClient,
        workflow: UploadWorkflow,
        owners: OwnerResolver,
        document_owners: DocumentOwnerResolver,
        put_slots: FairSemaphore,
        ingest_slots: FairSemaphore,
    ) -> None:
        self._database = database
        self._downloader = downloader
        self._store = store
        self._gateway = gateway
        self._workflow = workflow
        self._owners = owners
        self._document_owners = document_owners
        self._put_slots = put_slots
        self._ingest_slots = ingest_slots
        self.backoff = BackoffGate()
        self._calls = InFlightCalls()
        self.uploads = UploadTracker()
        self._logged_kept: set[tuple[str, str]] = set()
        self._log = structlog.get_logger("file_sync.sync.tenant_sync")

    async def run(
        self,
        tenant: Tenant,
        personas: PersonaIndex,
        config: PlanConfig,
        *,
        slots: asyncio.Semaphore | None = None,
        may_continue: Callable[[], bool] = lambda: True,
    ) -> SyncResult:
        """Plan the actions of a tenant and execute them.

        Parameters
        ----------
        slots
            Limits the runs that read and plan concurrently.
        may_continue
            Returns False when the run may not index another document.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The plan failed, and no action ran.
        """
        structlog.contextvars.bind_contextvars(tenant=tenant.key, request_id=uuid.uuid4().hex)
        async with slots or nullcontext():
            plan, files = await self._plan(tenant, personas, config)
        self.uploads.update(tenant.id, files, plan)
        result = SyncResult(plan, remaining=len(plan.actions))
        for file in files:
            report = plan.reports.get(file.id)
            if report and report.state is FileState.NO_TENANT:
                result.unassigned_owners.add(file.owner)
            if report and report.state is FileState.KEPT:
                self._log_kept(tenant, file)
        self._cancel_stale_calls(tenant, plan)
        if plan.actions:
            await self._run_actions(tenant, result, may_continue)
        if plan.blocked_deletions:
            self._log.error(
                "Deletions are held until an administrator of the tenant decides, see the runbook",
                documents=plan.blocked_deletions,
            )
        return result

    def close(self) -> None:
        """Cancel the calls in flight; the next sync, perhaps of another replica, observes their results."""
        self._calls.close()
        self.uploads.clear()

    async def _plan(
        self, tenant: Tenant, personas: PersonaIndex, config: PlanConfig
    ) -> tuple[Plan, list[File]]:
        """Return the plan for a tenant, and the files in the plan.

        Raises
        ------
        BackendUnavailable, BackendRefused
            The database or the gateway did not answer.
        """
        # Read documents first: if the database lacks a listed document's file afterwards, the file was
        # deleted. Otherwise the file could be newer than the read.
        documents = await self._gateway.list_documents(tenant)
        knowledge, models = personas.list_targets(tenant)
        files = await self._database.list_linked_files(knowledge, models)
        usage = StorageUsage.from_documents(documents)
        plan = build_plan(tenant, files, documents, personas=personas, owners={}, usage=usage, config=config)
        if not (plan.unresolved_subjects or plan.detached or plan.unowned):
            return plan, files
        owned = await self._document_owners.resolve(tenant, plan.unowned)
        documents = [document for document in documents if document not in plan.unowned] + owned
        detached = await self._fetch_files(plan.detached)
        removers = {file.remover for file in detached.values() if file.remover}
        owners = await self._owners.resolve(plan.unresolved_subjects | removers)
        plan = build_plan(
            tenant,
            files,
            documents,
            personas=personas,
            owners=owners,
            usage=usage,
            config=config,
            detached=detached,
        )
        return plan, [*files, *detached.values()]

    async def _fetch_files(self, document_ids: set[str]) -> dict[str, File]:
        """Return the files of documents by document id, without deleted files."""
        file_ids = [document_id.removeprefix(FILE_DOCUMENTS) for document_id in sorted(document_ids)]
        return {file.document_id: file for file in await self._database.list_files_by_id(file_ids)}

    def _cancel_stale_calls(self, tenant: Tenant, plan: Plan) -> None:
        """Cancel calls to n8n that are done or lost, as the plan shows."""
        waiting = {action.document_id for action in plan.actions if action.type is ActionType.INDEX}
        indexing = {
            derive_file_document_id(file_id)
            for file_id, report in plan.reports.items()
            if report.state is FileState.INDEXING
        }
        self._calls.cancel_stale(tenant.id, waiting=waiting, indexing=indexing - waiting)

    async def _run_actions(
        self, tenant: Tenant, result: SyncResult, may_continue: Callable[[], bool]
    ) -> None:
        actions = result.plan.actions[:MAX_ACTIONS]
        to_index: asyncio.Queue[PlannedAction | None] = asyncio.Queue()
        for action in actions:
            if action.type is ActionType.INDEX:
                to_index.put_nowait(action)
        others = iter([action for action in actions if action.type is not ActionType.INDEX])
        indexers = range(self._ingest_slots.per_tenant - len(self._calls.list_document_ids(tenant.id)))
        async with asyncio.TaskGroup() as group:
            for _ in indexers:
                group.create_task(self._run_index_worker(tenant, result, to_index, may_continue))
            async with asyncio.TaskGroup() as store_workers:
                for _ in range(self._put_slots.per_tenant):
                    store_workers.create_task(self._run_store_worker(tenant, result, others, to_index))
            for _ in indexers:
                to_index.put_nowait(None)

    async def _run_store_worker(
        self,
        tenant: Tenant,
        result: SyncResult,
        actions: Iterator[PlannedAction],
        to_index: asyncio.Queue[PlannedAction | None],
    ) -> None:
        for action in actions:

            async def run(action: PlannedAction = action) -> FileState | None:
                async with self._put_slots.acquire(tenant.id):
                    return await self._store_or_delete(tenant, action)

            state = await self._run_action(result, action, run)
            if state is FileState.RECEIVED:
                to_index.put_nowait(action)

    async def _run_index_worker(
        self,
        tenant: Tenant,
        result: SyncResult,
        actions: asyncio.Queue[PlannedAction | None],
        may_continue: Callable[[], bool],
    ) -> None:
        while (action := await actions.get()) is not None:
            in_flight = action.document_id in self._calls.list_document_ids(tenant.id)
            if may_continue() and not self.backoff.get_retry_after(tenant.id) and not in_flight:
                started = asyncio.Event()

                async def run(
                    action: PlannedAction = action, started: asyncio.Event = started
                ) -> FileState | None:
                    async with self._ingest_slots.acquire(tenant.id):
                        started.set()
                        if self.backoff.get_retry_after(tenant.id):
                            raise RetryLater("calls to n8n are paused")
                        return await self._index(tenant, action)

                call = self._run_action(result, action, run)
                await self._calls.run(tenant.id, action.document_id, call, started)

    async def _run_action(
        self, result: SyncResult, action: PlannedAction, run: Callable[[], Awaitable[FileState | None]]
    ) -> FileState | None:
        """Run one action. After a failure the other actions continue, and the next sync retries."""
        outcome, state, reason = "ok", None, None
        try:
            state = await run()
        except FileRefused as exc:
            outcome, state, reason = "refused", FileState.REFUSED, str(exc)
        except IngestRefused:
            outcome, state = "refused", FileState.FAILED
        except DeletionsHeld:
            outcome = "held"
            result.plan.blocked_deletions += 1
        except (BackendError, RetryLater) as exc:
            outcome = "retry_later"
            self._log.warning(
                "An action failed; the next sync retries it",
                action=action.type,
                document=action.document_id,
                error=str(exc) or type(exc).__name__,
            )
        except Exception:  # noqa: BLE001 (one file must not stop the others)
            outcome = "error"
            self._log.exception("Unexpected error", action=action.type, document=action.document_id)
        ACTIONS.labels(action.type, outcome).inc()
        if outcome in ("ok", "refused", "held") and state is not FileState.RECEIVED:
            result.remaining -= 1
        if state and action.file:
            result.plan.reports[action.file.id] = FileReport(state, reason, action.persona_id)
        return state

    async def _store_or_delete(self, tenant: Tenant, action: PlannedAction) -> FileState | None:
        if action.type is ActionType.DELETE:
            await self._gateway.delete_document(
                tenant,
                action.persona_id,
                action.document_id,
                action.filename,
                batch=action.batch,
                replaced_by=action.replaced_by,
            )
            self._log_action(action.reason, action)
            return None
        file = action.file
        assert file  # noqa: S101 (only a deletion has none)
        if action.type is ActionType.CHECK and await self._store.has_version(
            tenant, action.persona_id, action.filename, file
        ):
            return None if action.is_final else FileState.RECEIVED
        async with self._downloader.download(file) as content:
            await self._store.put(tenant, action.persona_id, action.filename, file, content)
        self._log_action("Stored a file as a document", action)
        if action.type is ActionType.STORE and not action.former:
            STORE_LAG.observe(max(time.time() - file.given_at, 0.0))
        return FileState.RECEIVED

    async def _index(self, tenant: Tenant, action: PlannedAction) -> FileState:
        try:
            await self._workflow.ingest(tenant, action.persona_id, action.document_id, action.filename)
        except BackendUnavailable as exc:
            self.backoff.record_failure(tenant.id, exc)
            raise
        self.backoff.record_success()
        # Delete former copies last: as long as one exists, the next sync indexes the document again.
        await self._delete_superseded(tenant, action.document_id, action.former)
        self.uploads.record_ready(tenant.id, action.document_id)
        self._log_action("Indexed a document", action)
        return FileState.READY

    async def _delete_superseded(
        self, tenant: Tenant, document_id: str, former: Sequence[tuple[str, str]]
    ) -> None:
        """Delete a document's objects under former personas and names."""
        for persona_id, filename in former:
            await self._store.delete(tenant, persona_id, filename, document_id)

    def _log_kept(self, tenant: Tenant, file: File) -> None:
        """Log once that a document is kept although its file was removed from the knowledge base."""
        if (tenant.id, file.id) not in self._logged_kept and len(self._logged_kept) < MAX_LOGGED:
            self._logged_kept.add((tenant.id, file.id))
            self._log.warning(
                "A file was removed from a knowledge base, but not by its owner or an administrator; "
                "its document is kept",
                document=file.document_id,
                remover=file.remover,
            )

    def _log_action(self, message: str, action: PlannedAction) -> None:
        self._log.info(message, document=action.document_id, persona=action.persona_id)
