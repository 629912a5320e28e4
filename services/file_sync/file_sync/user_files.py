"""Lists of a user's files with their states, by the planner's rules and with the user's token.

A list leaves out files that were given to another tenant, even if the user once belonged to that tenant.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicekit.errors import BackendError
from tenancy.identity import Principal
from tenancy.names import FILE_DOCUMENTS

from .adapters.document_owners import DocumentOwnerResolver
from .adapters.gateway import GatewayClient
from .adapters.open_webui_database import OpenWebUIDatabase
from .models import File, ListedDocument, Owner, StorageUsage
from .planner.filenames import sanitize_filename
from .planner.messages import NOT_SYNCED
from .planner.models import FileReport, FileState, Plan, PlanConfig
from .planner.persona_index import PersonaIndexCache
from .planner.plan import build_plan

__all__ = ["MAX_FILES", "UserFile", "UserFiles"]

MAX_FILES = 100
"""Number of files in one response; the newest files are listed."""

CONCURRENCY = 8
"""Concurrent requests to the gateway for one user."""

CACHE_TTL_SECONDS = 15.0
"""Lifetime of a cached list of a tenant's documents; only files without a document need the list."""

MAX_CACHED_TENANTS = 32
"""Number of tenants with a cached list; a list of ten thousand documents has some megabytes."""


@dataclass(frozen=True)
class UserFile:
    """A file and the report on it."""

    file: File
    report: FileReport


class UserFiles:
    """Lists the files of users."""

    def __init__(
        self,
        database: OpenWebUIDatabase,
        gateway: GatewayClient,
        document_owners: DocumentOwnerResolver,
        personas: PersonaIndexCache,
        config: PlanConfig,
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._document_owners = document_owners
        self._personas = personas
        self._config = config
        self._cached: dict[str, tuple[float, list[ListedDocument]]] = {}

    async def list(self, person: Principal, token: str, ids: Sequence[str] | None) -> "Sequence[UserFile]":
        """Return a person's files with their states, newest first.

        Parameters
        ----------
        token
            The person's access token, for the gateway.
        ids
            Only these files; files of other people are left out.

        Raises
        ------
        BackendUnavailable, BackendRefused
            Open WebUI's database or the gateway did not answer.
        """
        files = await self._database.list_files_of_person(person.subject, ids=ids, limit=MAX_FILES)
        personas = self._personas.current
        slots = asyncio.Semaphore(CONCURRENCY)

        async def get_document(file: File) -> ListedDocument | None:
            async with slots:
                return await self._gateway.get_document(token, file.document_id)

        linked = [
            file
            for file in files
            if any(
                (persona := personas.resolve(link)) and persona.tenant_id == person.tenant.id
                for link in file.links
            )
        ]
        unlinked = [file for file in files if not any(personas.resolve(link) for link in file.links)]
        detached = {file.document_id: file for file in unlinked if file.knowledge}
        responses = await asyncio.gather(*map(get_document, (*linked, *detached.values())))
        documents = [document for document in responses if document]
        planned = self._plan(person, linked, documents, StorageUsage(), detached)
        if any(report.state is FileState.WAITING for report in planned.reports.values()):
            usage, collisions = await self._list_collisions(person, linked, documents)
            colliding_files = await self._database.list_files_by_id(
                [
                    collision.id.removeprefix(FILE_DOCUMENTS)
                    for collision in collisions
                    if collision.id.startswith(FILE_DOCUMENTS)
                ]
            )
            detached |= {file.document_id: file for file in colliding_files if not file.links}
            planned = self._plan(
                person, [*linked, *colliding_files], [*documents, *collisions], usage, detached
            )
        listed = [UserFile(file, planned.reports[file.id]) for file in linked if _is_visible(file, planned)]
        not_synced = FileReport(FileState.NOT_SYNCED, NOT_SYNCED)
        listed += [UserFile(file, planned.reports.get(file.id, not_synced)) for file in unlinked]
        return sorted(listed, key=lambda user_file: (-user_file.file.created_at, user_file.file.id))

    def _plan(
        self,
        person: Principal,
        files: Sequence[File],
        documents: Sequence[ListedDocument],
        usage: StorageUsage,
        detached: Mapping[str, File],
    ) -> Plan:
        return build_plan(
            person.tenant,
            files,
            documents,
            personas=self._personas.current,
            owners={person.subject: Owner(person.tenant.id)},
            usage=usage,
            config=self._config,
            detached=detached,
        )

    async def _list_collisions(
        self, person: Principal, files: Sequence[File], documents: Sequence[ListedDocument]
    ) -> tuple[StorageUsage, Sequence[ListedDocument]]:
        """Return the tenant's usage, and other documents with the name of one of the files."""
        stored = await self._list_stored(person)
        own = {document.id for document in documents}
        names = {sanitize_filename(file.filename) for file in files}
        collisions = [
            document for document in stored if document.filename in names and document.id not in own
        ]
        of_files = [document for document in collisions if document.id.startswith(FILE_DOCUMENTS)]
        uploads = [document for document in collisions if not document.id.startswith(FILE_DOCUMENTS)]
        resolved = await self._document_owners.resolve(person.tenant, uploads)
        return StorageUsage.from_documents(stored), of_files + resolved

    async def _list_stored(self, person: Principal) -> Sequence[ListedDocument]:
        """Return the tenant's documents; return none if the gateway fails: they only explain refusals."""
        now = asyncio.get_running_loop().time()
        fetched_at, stored = self._cached.get(person.tenant.id, (float("-inf"), []))
        if now - fetched_at < CACHE_TTL_SECONDS:
            return stored
        try:
            stored = await self._gateway.list_documents(person.tenant)
        except BackendError:
            return []
        self._cached = {
            tenant_id: (at, documents)
            for tenant_id, (at, documents) in [*self._cached.items()][1 - MAX_CACHED_TENANTS :]
            if now - at < CACHE_TTL_SECONDS and tenant_id != person.tenant.id
        }
        self._cached[person.tenant.id] = now, stored
        return stored


def _is_visible(file: File, planned: Plan) -> bool:
    report = planned.reports.get(file.id)
    return report is not None and report.state is not FileState.OTHER_TENANT
