"""What is done for one tenant: compare, put what is missing into S3, have it indexed, remove what is gone.

Two things go on side by side. Files are put into S3 as fast as S3 takes them: from then on none is lost. They
are indexed as fast as n8n and the gateway do it, which is slower, and not at all while those are away. Killed
anywhere, the next comparison sees what is missing; whatever is done twice changes nothing the second time.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import structlog
from servicekit.errors import RemoteError, RemoteUnavailable
from servicekit.fair_semaphore import FairSemaphore
from tenancy.model import Tenant
from tenancy.names import FILE_DOCUMENTS, document_id_for_file

from ..adapters.document_owners import DocumentOwners
from ..adapters.downloads import Contents
from ..adapters.gateway import Gateway
from ..adapters.owners import Owners
from ..adapters.source import Source
from ..adapters.store import Store
from ..adapters.upload_workflow import UploadWorkflow
from ..metrics import ACTIONS, READY_LAG, STORE_LAG
from ..models import File, Usage
from ..planner.persona_index import Places
from ..planner.plan import Action, Deed, Plan, Rules, State, Verdict, plan
from ..problems import DeletionHeld, FileRefused, IngestRefused, Postponed
from .backoff import Door
from .in_flight_calls import Calls

__all__ = ["Work", "Worked"]

MOST_ACTIONS = 2000
"""Actions of one comparison; the rest is seen by the next, so that memory stays bounded."""

MOST_FRESH = 100_000


@dataclass
class Worked:
    """What came of the work for one tenant; ``left`` counts what is still to be done."""

    plan: Plan
    strangers: set[str] = field(default_factory=set)
    left: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing is to be done until something changes."""
        return not (self.left or self.plan.waits or self.strangers)

    @property
    def progress(self) -> bool:
        """Whether something was done."""
        return self.left + self.plan.withheld < len(self.plan.actions)


class Work:
    """Does what a comparison asks for.

    Parameters
    ----------
    puts, ingests
        Places for copies to S3 and for documents at n8n.
    """

    def __init__(
        self,
        *,
        source: Source,
        contents: Contents,
        store: Store,
        gateway: Gateway,
        workflow: UploadWorkflow,
        owners: Owners,
        document_owners: DocumentOwners,
        puts: FairSemaphore,
        ingests: FairSemaphore,
    ) -> None:
        self._source = source
        self._contents = contents
        self._store = store
        self._gateway = gateway
        self._workflow = workflow
        self._owners = owners
        self._document_owners = document_owners
        self._puts = puts
        self._ingests = ingests
        self.door = Door()
        self._calls = Calls()
        self._fresh: dict[tuple[str, str], int] = {}
        self._kept: set[tuple[str, str]] = set()
        self._log = structlog.get_logger("file_sync.sync.tenant_sync")

    async def run(
        self,
        tenant: Tenant,
        places: Places,
        rules: Rules,
        *,
        comparing: asyncio.Semaphore | None = None,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> Worked:
        """Compare a tenant, and do what is to be done.

        Parameters
        ----------
        comparing
            Bounds how many comparisons are made at a time.
        may_go_on
            Tells whether there is time for one more document to be indexed, or others wait for their turn.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The comparison could not be made; nothing was done.
        """
        structlog.contextvars.bind_contextvars(tenant=tenant.key, request_id=uuid.uuid4().hex)
        async with comparing or nullcontext():
            compared, files = await self.compare(tenant, places, rules)
        worked = Worked(compared, left=len(compared.actions))
        for file in files:
            verdict = compared.verdicts.get(file.id)
            if verdict and verdict.state is State.NO_TENANT:
                worked.strangers.add(file.owner)
            if verdict and verdict.state is State.KEPT:
                self._report_kept(tenant, file)
        self._give_up(tenant, compared)
        if compared.actions:
            await self._do_all(tenant, worked, may_go_on)
        if compared.withheld:
            self._log.error(
                "Deletions are held until an administrator of the tenant decides, see the runbook",
                documents=compared.withheld,
            )
        return worked

    def let_go(self) -> None:
        """End what goes on by itself; whoever compares next sees what came of it."""
        self._calls.close()

    async def compare(self, tenant: Tenant, places: Places, rules: Rules) -> tuple[Plan, list[File]]:
        """Compare a tenant.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            The database or the gateway did not answer.
        """
        # Documents first: one that is listed had its file before, so a file that the database does not have
        # afterwards is gone, and not just too new.
        documents = await self._gateway.documents(tenant)
        knowledge, models = places.targets(tenant)
        files = await self._source.files(knowledge, models)
        usage = Usage.of(documents)
        compared = plan(tenant, files, documents, places=places, owners={}, usage=usage, rules=rules)
        if not (compared.ask or compared.detached or compared.unowned):
            return compared, files
        owned = await self._document_owners.add(tenant, compared.unowned)
        documents = [each for each in documents if each not in compared.unowned] + owned
        detached = await self._fetch(compared.detached)
        removers = {file.remover for file in detached.values() if file.remover}
        owners = await self._owners.of(compared.ask | removers)
        compared = plan(
            tenant,
            files,
            documents,
            places=places,
            owners=owners,
            usage=usage,
            rules=rules,
            detached=detached,
        )
        return compared, [*files, *detached.values()]

    async def _fetch(self, document_ids: set[str]) -> dict[str, File]:
        """Return the files that exist of documents, by document id."""
        file_ids = [each.removeprefix(FILE_DOCUMENTS) for each in sorted(document_ids)]
        return {file.document_id: file for file in await self._source.files_by_id(file_ids)}

    def _give_up(self, tenant: Tenant, compared: Plan) -> None:
        """End calls to n8n of which the comparison shows that they are done, or lost."""
        waiting = {action.document_id for action in compared.actions if action.deed is Deed.INDEX}
        indexing = {
            document_id_for_file(file_id)
            for file_id, verdict in compared.verdicts.items()
            if verdict.state is State.INDEXING
        }
        self._calls.give_up(tenant.id, waiting=waiting, indexing=indexing - waiting)

    async def _do_all(self, tenant: Tenant, worked: Worked, may_go_on: Callable[[], bool]) -> None:
        actions = worked.plan.actions[:MOST_ACTIONS]
        ingest: asyncio.Queue[Action | None] = asyncio.Queue()
        for action in actions:
            if action.deed is Deed.INDEX:
                ingest.put_nowait(action)
        others = iter([action for action in actions if action.deed is not Deed.INDEX])
        indexers = range(self._ingests.each - len(self._calls.documents(tenant.id)))
        async with asyncio.TaskGroup() as group:
            for _ in indexers:
                group.create_task(self._index_each(tenant, worked, ingest, may_go_on))
            async with asyncio.TaskGroup() as putters:
                for _ in range(self._puts.each):
                    putters.create_task(self._put_each(tenant, worked, others, ingest))
            for _ in indexers:
                ingest.put_nowait(None)

    async def _put_each(
        self, tenant: Tenant, worked: Worked, actions: Iterator[Action], ingest: asyncio.Queue[Action | None]
    ) -> None:
        for action in actions:

            async def do(action: Action = action) -> State | None:
                async with self._puts.acquire(tenant.id):
                    return await self._put(tenant, action)

            state = await self._attempt(worked, action, do)
            if state is State.RECEIVED:
                ingest.put_nowait(action)

    async def _index_each(
        self,
        tenant: Tenant,
        worked: Worked,
        actions: asyncio.Queue[Action | None],
        may_go_on: Callable[[], bool],
    ) -> None:
        while (action := await actions.get()) is not None:
            under_way = action.document_id in self._calls.documents(tenant.id)
            if may_go_on() and not self.door.closed_for(tenant.id) and not under_way:
                begun = asyncio.Event()

                async def do(action: Action = action, begun: asyncio.Event = begun) -> State | None:
                    async with self._ingests.acquire(tenant.id):
                        begun.set()
                        if self.door.closed_for(tenant.id):
                            raise Postponed("n8n is left alone for a moment")
                        return await self._index(tenant, action)

                call = self._attempt(worked, action, do)
                await self._calls.wait(tenant.id, action.document_id, call, begun)

    async def _attempt(
        self, worked: Worked, action: Action, do: Callable[[], Awaitable[State | None]]
    ) -> State | None:
        """Do one thing; what fails is left for the next comparison, and stops nothing else."""
        outcome, state, reason = "ok", None, None
        try:
            state = await do()
        except FileRefused as exc:
            outcome, state, reason = "refused", State.REFUSED, str(exc)
        except IngestRefused:
            outcome, state = "refused", State.FAILED
        except DeletionHeld:
            outcome = "held"
            worked.plan.withheld += 1
        except (RemoteError, Postponed) as exc:
            outcome = "postponed"
            self._log.warning(
                "Not now; it is tried again",
                deed=action.deed,
                document=action.document_id,
                error=str(exc) or type(exc).__name__,
            )
        except Exception:  # noqa: BLE001 (one file must not stop the others)
            outcome = "error"
            self._log.exception("Unexpected error", deed=action.deed, document=action.document_id)
        ACTIONS.labels(action.deed, outcome).inc()
        if outcome in ("ok", "refused", "held") and state is not State.RECEIVED:
            worked.left -= 1
        if state and action.file:
            worked.plan.verdicts[action.file.id] = Verdict(state, reason, action.persona_id)
        return state

    async def _put(self, tenant: Tenant, action: Action) -> State | None:
        if action.deed is Deed.DELETE:
            await self._gateway.delete(
                tenant,
                action.persona_id,
                action.document_id,
                action.filename,
                batch=action.batch,
                replaced_by=action.replaced_by,
            )
            self._say(action.reason, action)
            return None
        file = action.file
        assert file  # noqa: S101 (only a deletion has none)
        if action.deed is Deed.CHECK and await self._store.has(
            tenant, action.persona_id, action.filename, file
        ):
            return None if action.settled else State.RECEIVED
        async with self._contents.copied(file) as content:
            await self._store.put(tenant, action.persona_id, action.filename, file, content)
        self._say("A file was stored as a document", action)
        if action.deed is Deed.STORE and not action.former:
            STORE_LAG.observe(max(time.time() - file.created_at, 0.0))
            if len(self._fresh) < MOST_FRESH:
                self._fresh[tenant.id, action.document_id] = file.created_at
        return State.RECEIVED

    async def _index(self, tenant: Tenant, action: Action) -> State:
        try:
            await self._workflow.ingest(tenant, action.persona_id, action.document_id, action.filename)
        except RemoteUnavailable as exc:
            self.door.failed(tenant.id, exc)
            raise
        self.door.worked()
        # Not before: as long as something lies there, the next comparison has it indexed here again.
        await self._clear(tenant, action.document_id, action.former)
        if (created_at := self._fresh.pop((tenant.id, action.document_id), None)) is not None:
            READY_LAG.observe(max(time.time() - created_at, 0.0))
        self._say("A document can be found", action)
        return State.READY

    async def _clear(self, tenant: Tenant, document_id: str, former: Sequence[tuple[str, str]]) -> None:
        for persona_id, filename in former:
            await self._store.delete(tenant, persona_id, filename, document_id)

    def _report_kept(self, tenant: Tenant, file: File) -> None:
        """Log once that a document is kept whose file was taken out of its knowledge base."""
        if (tenant.id, file.id) not in self._kept and len(self._kept) < MOST_FRESH:
            self._kept.add((tenant.id, file.id))
            self._log.warning(
                "A file was taken out of a knowledge base, and not by its owner or an administrator; "
                "its document is kept",
                document=file.document_id,
                remover=file.remover,
            )

    def _say(self, sentence: str, action: Action) -> None:
        self._log.info(sentence, document=action.document_id, persona=action.persona_id)
