"""A person's own files, and how far each is: the same rules as the comparison, seen through their own token.

What was given to another tenant is not shown, be it the tenant to which the person belonged before.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servicekit.errors import RemoteError
from tenancy.identity import Principal
from tenancy.names import FILE_DOCUMENTS

from .adapters.document_owners import DocumentOwners
from .adapters.gateway import Gateway
from .adapters.source import Source
from .models import Document, File, Owner, Usage
from .planner.filenames import clean_filename
from .planner.persona_cache import Atlas
from .planner.plan import NOT_SYNCED, Plan, Rules, State, Verdict, plan

__all__ = ["MOST", "OwnFile", "OwnFiles"]

MOST = 100
"""Files that are shown: the newest."""

AT_ONCE = 8

USAGE_SECONDS = 15.0
"""How long a tenant's usage is taken for true; it only matters for files that have no document yet."""

LISTS = 32
"""Tenants whose documents are remembered for that time: some megabytes for ten thousand."""


@dataclass(frozen=True)
class OwnFile:
    """A file, and how far it is."""

    file: File
    verdict: Verdict


class OwnFiles:
    """Tells people about their files."""

    def __init__(
        self,
        source: Source,
        gateway: Gateway,
        document_owners: DocumentOwners,
        atlas: Atlas,
        rules: Rules,
    ) -> None:
        self._source = source
        self._gateway = gateway
        self._document_owners = document_owners
        self._atlas = atlas
        self._rules = rules
        self._listed: dict[str, tuple[float, list[Document]]] = {}

    async def listed(self, person: Principal, token: str, ids: Sequence[str] | None) -> list[OwnFile]:
        """Return a person's files, the newest first.

        Parameters
        ----------
        token
            The person's own: the gateway says of their documents what it says to them.
        ids
            Only these; somebody else's are not found.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            Open WebUI's database or the gateway did not answer.
        """
        files = await self._source.files_of(person.subject, ids=ids, limit=MOST)
        places = self._atlas.places
        bound = asyncio.Semaphore(AT_ONCE)

        async def look(file: File) -> Document | None:
            async with bound:
                return await self._gateway.document(token, file.document_id)

        given = [
            file
            for file in files
            if any((at := places.of(link)) and at.tenant_id == person.tenant.id for link in file.links)
        ]
        others = [file for file in files if not any(places.of(link) for link in file.links)]
        detached = {file.document_id: file for file in others if file.knowledge}
        asked = await asyncio.gather(*map(look, (*given, *detached.values())))
        documents = [found for found in asked if found]
        judged = self._judge(person, given, documents, Usage(), detached)
        if any(verdict.state is State.WAITING for verdict in judged.verdicts.values()):
            usage, rivals = await self._tenants(person, given, documents)
            rival_files = await self._source.files_by_id(
                [
                    rival.id.removeprefix(FILE_DOCUMENTS)
                    for rival in rivals
                    if rival.id.startswith(FILE_DOCUMENTS)
                ]
            )
            detached |= {file.document_id: file for file in rival_files if not file.links}
            judged = self._judge(person, [*given, *rival_files], [*documents, *rivals], usage, detached)
        shown = [OwnFile(file, _told(file, judged)) for file in given if _is_shown(file, judged)]
        left = [
            OwnFile(file, judged.verdicts.get(file.id, Verdict(State.NOT_SYNCED, NOT_SYNCED)))
            for file in others
        ]
        return sorted(shown + left, key=lambda each: (-each.file.created_at, each.file.id))

    def _judge(
        self,
        person: Principal,
        files: list[File],
        documents: list[Document],
        usage: Usage,
        detached: Mapping[str, File],
    ) -> Plan:
        return plan(
            person.tenant,
            files,
            documents,
            places=self._atlas.places,
            owners={person.subject: Owner(person.tenant.id)},
            usage=usage,
            rules=self._rules,
            detached=detached,
        )

    async def _tenants(
        self, person: Principal, files: list[File], documents: list[Document]
    ) -> tuple[Usage, list[Document]]:
        """Return what the tenant stores, and documents of others that have the name of one of the files."""
        stored = await self._stored(person)
        own, names = {each.id for each in documents}, {clean_filename(file.filename) for file in files}
        rivals = [each for each in stored if each.filename in names and each.id not in own]
        of_files = [each for each in rivals if each.id.startswith(FILE_DOCUMENTS)]
        uploads = [each for each in rivals if not each.id.startswith(FILE_DOCUMENTS)]
        return Usage.of(stored), of_files + await self._document_owners.add(person.tenant, uploads)

    async def _stored(self, person: Principal) -> list[Document]:
        """Return the tenant's documents; none when they cannot be seen, for they only explain a refusal."""
        now = asyncio.get_running_loop().time()
        seen, stored = self._listed.get(person.tenant.id, (float("-inf"), []))
        if now - seen < USAGE_SECONDS:
            return stored
        try:
            stored = await self._gateway.documents(person.tenant)
        except RemoteError:
            return []
        self._listed = {
            tenant_id: (at, documents)
            for tenant_id, (at, documents) in list(self._listed.items())[1 - LISTS :]
            if now - at < USAGE_SECONDS and tenant_id != person.tenant.id
        }
        self._listed[person.tenant.id] = now, stored
        return stored


def _is_shown(file: File, judged: Plan) -> bool:
    verdict = judged.verdicts.get(file.id)
    return verdict is not None and verdict.state is not State.FOREIGN


def _told(file: File, judged: Plan) -> Verdict:
    return judged.verdicts[file.id]
