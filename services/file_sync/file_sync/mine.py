"""A person's own files, and how far each is: the same rules as the comparison, seen through their own token.

What was given to another tenant is not shown, be it the tenant to which the person belonged before.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tenancy.errors import RemoteError
from tenancy.identity import Principal

from .atlas import Atlas
from .gateway import Gateway
from .models import Document, File, Owner, Usage
from .plan import NOT_SYNCED, Plan, Rules, State, Verdict, plan
from .source import Source

__all__ = ["MOST", "OwnFile", "OwnFiles"]

MOST = 100
"""Files that are shown: the newest."""

AT_ONCE = 8

USAGE_SECONDS = 15.0
"""How long a tenant's usage is taken for true; it only matters for files that have no document yet."""

USAGES = 256


@dataclass(frozen=True)
class OwnFile:
    """A file, and how far it is."""

    file: File
    verdict: Verdict


class OwnFiles:
    """Tells people about their files."""

    def __init__(self, source: Source, gateway: Gateway, atlas: Atlas, rules: Rules) -> None:
        self._source = source
        self._gateway = gateway
        self._atlas = atlas
        self._rules = rules
        self._usages: dict[str, tuple[float, Usage]] = {}

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
        documents = [found for found in await asyncio.gather(*map(look, given)) if found]
        judged = self._judge(person, given, documents, Usage())
        if any(verdict.state is State.WAITING for verdict in judged.verdicts.values()):
            judged = self._judge(person, given, documents, await self._usage(person))
        shown = [OwnFile(file, _told(file, judged)) for file in given if _is_shown(file, judged)]
        others = [
            OwnFile(file, Verdict(State.NOT_SYNCED, NOT_SYNCED))
            for file in files
            if not any(places.of(link) for link in file.links)
        ]
        return sorted(shown + others, key=lambda each: (-each.file.created_at, each.file.id))

    def _judge(self, person: Principal, files: list[File], documents: list[Document], usage: Usage) -> Plan:
        return plan(
            person.tenant,
            files,
            documents,
            places=self._atlas.places,
            owners={person.subject: Owner(person.tenant.id)},
            usage=usage,
            rules=self._rules,
        )

    async def _usage(self, person: Principal) -> Usage:
        """Return what the tenant stores; nothing when it cannot be seen, for it only explains a refusal."""
        now = asyncio.get_running_loop().time()
        seen, usage = self._usages.get(person.tenant.id, (float("-inf"), Usage()))
        if now - seen < USAGE_SECONDS:
            return usage
        try:
            usage = Usage.of(await self._gateway.documents(person.tenant))
        except RemoteError:
            return Usage()
        self._usages.pop(person.tenant.id, None)
        self._usages[person.tenant.id] = now, usage
        if len(self._usages) > USAGES:
            del self._usages[next(iter(self._usages))]
        return usage


def _is_shown(file: File, judged: Plan) -> bool:
    verdict = judged.verdicts.get(file.id)
    return verdict is not None and verdict.state is not State.FOREIGN


def _told(file: File, judged: Plan) -> Verdict:
    return judged.verdicts[file.id]
