"""The tenant's workspace in Open WebUI: a group of its people, and a model and a knowledge base a persona.

All of it is readable by that group alone. In the group are the accounts of people whose verified address the
Tenant names. What is known by its id is asked for by its id; only a
run that cannot be sure to know everything (the first, or one after a failure) searches.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from servicekit.errors import RemoteUnavailable
from tenancy.emails import search_term
from tenancy.model import Tenant
from tenancy.names import group_path, model_id, parse_model_id

from ...clients.keycloak import Keycloak
from ...clients.open_webui import OpenWebui, TenantContent, subject_of
from ...conditions import Verdict, condition_type
from ...part import Ensured, Leftovers
from .plan import (
    Action,
    Group,
    KnowledgeBase,
    Step,
    WorkspaceState,
    choose,
    is_own_group,
    kept_note,
    knowledge_base,
    known_bases,
    name_prefix,
    plan,
    plan_former,
    retired_group,
    wanted_group,
)

__all__ = ["WorkspacePart"]

SETTLE_SECONDS = 5.0
"""Time for requests that Open WebUI admitted before accounts were closed: what they write is then found."""

LAST_ANSWER_SECONDS = 15
"""Longest time from a Tenant's deletion to the end of its last answer, and the difference of two clocks."""

FOREVER = 2**62
"""Later than any time that Open WebUI stores."""


class WorkspacePart:
    """Groups, models and knowledge bases in one Open WebUI.

    Parameters
    ----------
    webui
        Open WebUI's API.
    keycloak
        The realm's admin API: who a tenant's people are.
    """

    name = "workspace"
    after = "identity"

    def __init__(self, webui: OpenWebui, keycloak: Keycloak) -> None:
        self._webui = webui
        self._keycloak = keycloak

    async def observe(self, tenant: Tenant) -> WorkspaceState:
        """Find the group, who belongs in it, the models and the knowledge bases."""
        group, subjects = await asyncio.gather(self._group(tenant), self._subjects(tenant))
        people, models, found = await asyncio.gather(
            self._people(tenant, subjects, group),
            self._models(tenant, search=not _is_settled(tenant)),
            self._bases(tenant, group.id, search=not _is_settled(tenant)),
        )
        bases, former = choose(tenant, found)
        return WorkspaceState(group, people, models, bases, former)

    async def ensure(self, tenant: Tenant, observed: WorkspaceState) -> Ensured:
        """Make or repair the group first, since all grants name it, then everything else at once.

        Raises
        ------
        RemoteUnavailable
            A knowledge base was to be made and turned up after all.
        """
        changes: list[str] = []
        group_id = await self._ensure_group(tenant, observed.group, changes)
        steps = plan(tenant, observed, group_id)
        if any(step.action == "create knowledge base" for step in steps):
            await self._confirm_absence(tenant, observed, group_id)
        taken = await asyncio.gather(*(_WRITES[step.action](self._webui, step) for step in steps))
        kept = await asyncio.gather(
            *(self._retire(tenant, base, group_id, changes) for base in observed.former)
        )
        changes += [step.change for step in steps]
        made = {step.subject: new for step, new in zip(steps, taken, strict=True) if new}
        knowledge = {base.persona: base.id for base in reversed(kept) if base} | {
            persona.id: made.get(persona.id) or observed.bases[persona.id].id
            for persona in tenant.spec.personas
        }
        status = {
            "groupId": group_id,
            "knowledge": [{"persona": persona, "id": knowledge[persona]} for persona in sorted(knowledge)],
        }
        note = kept_note(base for base in kept if base)
        return Ensured(changes, status, Verdict(status=True, reason="AsDeclared", message=note))

    async def remove(self, tenant: Tenant) -> None:
        """Delete models, close the accounts, delete what people made, knowledge bases, and last the group.

        By the group people are known, and a closed account can write nothing that has to be deleted again.

        Raises
        ------
        RemoteUnavailable
            Something is still there.
        """
        group = await self._group(tenant)
        models = await self._models(tenant, search=True)
        await asyncio.gather(*(self._webui.delete_model(key) for key in models))
        bases = await self._bases(tenant, group.id, search=True)
        content = _content(tenant, group, bases)
        if await self._webui.close(content):
            await asyncio.sleep(SETTLE_SECONDS)
        await self._delete_content(content)
        for base in bases:
            await self._webui.delete_knowledge_base(base.id)
        if await self._bases(tenant, group.id, search=True):
            raise RemoteUnavailable("open-webui", "delete-knowledge", "a knowledge base is still there")
        if group.id:
            await self._webui.delete_group(group.id)

    async def count(self, tenant: Tenant) -> Leftovers:
        """Count the group, models, knowledge bases, and what people made."""
        group = await self._group(tenant)
        models, bases = await asyncio.gather(
            self._models(tenant, search=True), self._bases(tenant, group.id, search=True)
        )
        content = await self._webui.count_content(_content(tenant, group, bases))
        made = {"groups": int(bool(group.id)), "models": len(models), "knowledge bases": len(bases)}
        return Leftovers({f"{kind} of {tenant.key}": count for kind, count in (made | content).items()})

    async def forget(self, tenant: Tenant) -> None:
        """Take everybody out of the group: a Tenant that does not exist names nobody. All else stays."""
        group = await self._group(tenant)
        if group.members:
            await self._webui.remove_members(group.id, sorted(group.members))

    async def _group(self, tenant: Tenant) -> Group:
        """Find the group by the id that it had, else by its name and the Tenant's uid."""
        known = tenant.status.workspace
        own = await self._webui.group(known.group_id) if known else None
        namesakes = []
        for group_id in await self._webui.group_ids(group_path(tenant.id)) if own is None else ():
            found = await self._webui.group(group_id)
            if found and own is None and is_own_group(tenant, found):
                own = found
            elif found and found["name"] == group_path(tenant.id) and not is_own_group(tenant, found):
                namesakes.append(group_id)
        return replace(await self._as_group(own) if own else Group(), namesakes=tuple(namesakes))

    async def _as_group(self, found: dict[str, Any]) -> Group:
        form = {name: found.get(name) for name in ("name", "description", "parent_group_id")}
        form["data"] = {"tenantry": (found.get("data") or {}).get("tenantry")}
        under = await self._webui.groups_under(found["id"])
        return Group(found["id"], form, frozenset(found["user_ids"]), frozenset(under))

    async def _subjects(self, tenant: Tenant) -> frozenset[str]:
        """Return the ids of the tenant's people in Keycloak, by their addresses: a group proves nobody."""
        people = await self._keycloak.people(tenant.spec.email_patterns)
        return frozenset(person["id"] for person in people)

    async def _people(self, tenant: Tenant, subjects: frozenset[str], group: Group) -> frozenset[str]:
        """Return the users who belong to the tenant: who logs in as one of its people in Keycloak."""
        if not subjects:
            return frozenset()
        terms = sorted({search_term(pattern) for pattern in tenant.spec.email_patterns})
        pages = await asyncio.gather(*(self._webui.users(term) for term in terms))
        found = {user["id"]: user for users in pages for user in users}
        # A member whose address is another one by now is found by the id alone.
        others = await asyncio.gather(*(self._webui.user(key) for key in group.members - found.keys()))
        return frozenset(
            user["id"] for user in (*found.values(), *filter(None, others)) if subject_of(user) in subjects
        )

    async def _models(self, tenant: Tenant, *, search: bool) -> dict[str, dict[str, Any]]:
        """Return the tenant's models by their ids: those of its personas, now and before."""
        found = await self._webui.models(tenant.key) if search else []
        models = {model["id"]: model for model in found if _is_of(tenant, model["id"])}
        personas = {persona.id for persona in tenant.spec.personas} | set(known_bases(tenant).values())
        missing = {model_id(tenant.id, persona) for persona in personas} - models.keys()
        others = await asyncio.gather(*(self._webui.model(key) for key in sorted(missing)))
        return models | {model["id"]: model for model in others if model}

    async def _bases(self, tenant: Tenant, group_id: str, *, search: bool) -> list[KnowledgeBase]:
        """Return the tenant's knowledge bases: those that its status names or that carry its mark."""
        found = await self._webui.knowledge_bases(name_prefix(tenant)) if search else []
        missing = known_bases(tenant).keys() - {each["id"] for each in found}
        others = await asyncio.gather(*(self._webui.knowledge_base(key) for key in sorted(missing)))
        if not search and not all(others):
            return await self._bases(tenant, group_id, search=True)
        bases = (knowledge_base(tenant, each, group_id) for each in (*found, *others) if each)
        return [base for base in bases if base]

    async def _ensure_group(self, tenant: Tenant, observed: Group, changes: list[str]) -> str:
        wanted = wanted_group(tenant)
        for group_id in observed.namesakes:
            changes.append(f"retire group {group_id}")
            await self._retire_group(tenant, group_id)
        if not observed.id:
            changes.append(f"create group {wanted['name']}")
            return await self._webui.create_group(wanted)
        if observed.form != wanted:
            changes.append(f"repair group {wanted['name']}")
            await self._webui.update_group(observed.id, wanted)
        return observed.id

    async def _retire_group(self, tenant: Tenant, group_id: str) -> None:
        """Take everybody out of an earlier Tenant's group, then give it a name by which no login finds it.

        What it may read is retained data. In this order, because by its name it is found again after a crash.
        """
        found = await self._webui.group(group_id)
        if found and found["user_ids"]:
            await self._webui.remove_members(group_id, found["user_ids"])
        if found:
            await self._webui.update_group(group_id, retired_group(tenant, group_id))

    async def _confirm_absence(self, tenant: Tenant, observed: WorkspaceState, group_id: str) -> None:
        """Search again before anything is made: a search that fails inside Open WebUI finds nothing.

        A second knowledge base would leave the first one's documents where nobody looks for them.
        """
        seen = {base.id for base in (*observed.bases.values(), *observed.former)}
        found = {base.id for base in await self._bases(tenant, group_id, search=True)}
        if found - seen:
            raise RemoteUnavailable("open-webui", "create-knowledge", "one has turned up meanwhile", 0.1)

    async def _retire(
        self, tenant: Tenant, base: KnowledgeBase, group_id: str, changes: list[str]
    ) -> KnowledgeBase | None:
        """Keep a former persona's knowledge base while it has files, and delete it when it has none.

        Files are counted once more when nobody can add any.
        """
        for step in plan_former(tenant, base, group_id):
            await _WRITES[step.action](self._webui, step)
            changes.append(step.change)
        if base.files or await self._count(base):
            return base
        await self._webui.delete_knowledge_base(base.id)
        changes.append(f"delete knowledge base {base.id}")
        return None

    async def _count(self, base: KnowledgeBase) -> int:
        """Return how many files a knowledge base has; more than none when it cannot be told."""
        found = await self._webui.knowledge_bases(base.name)
        counted = {each["id"]: int(each["file_count"]) for each in found}
        return counted.get(base.id, 1) + len(await self._webui.pending_files(base.id))

    async def _delete_content(self, content: TenantContent) -> None:
        """Delete accounts, chats, files and feedback, some seconds a call, until none is left.

        Raises
        ------
        RemoteUnavailable
            A call left as much as the one before.
        """
        left = await self._webui.count_content(content)
        while any(left.values()):
            before, left = left, await self._webui.delete_content(content)
            if sum(left.values()) >= sum(before.values()):
                counted = ", ".join(f"{count} {kind}" for kind, count in left.items() if count)
                raise RemoteUnavailable("open-webui", "delete-content", f"still there: {counted}")


def _content(tenant: Tenant, group: Group, bases: Iterable[KnowledgeBase]) -> TenantContent:
    created, deleted = tenant.metadata.creation_timestamp, tenant.metadata.deletion_timestamp
    since = int(created.timestamp()) if created else 0
    until = int(deleted.timestamp()) + LAST_ANSWER_SECONDS if deleted else FOREVER
    groups = [group.id] if group.id else []
    return TenantContent(tenant.key, groups, sorted(base.id for base in bases), since, until)


def _is_settled(tenant: Tenant) -> bool:
    """Tell whether the status names all that there can be: the last run was of this spec, and went well.

    Former personas' knowledge bases are searched for every time: only a search counts their files.
    """
    condition = tenant.status.condition(condition_type("workspace"))
    return (
        condition is not None
        and condition.status == "True"
        and condition.observed_generation == tenant.metadata.generation
        and all(tenant.persona(persona) for persona in known_bases(tenant).values())
    )


def _is_of(tenant: Tenant, key: str) -> bool:
    parsed = parse_model_id(key)
    return parsed is not None and parsed[0] == tenant.id


_WRITES: Mapping[Action, Callable[[OpenWebui, Step], Awaitable[str | None]]] = {
    "add members": lambda webui, step: webui.add_members(step.subject, step.form),
    "remove members": lambda webui, step: webui.remove_members(step.subject, step.form),
    "detach group": lambda webui, step: webui.detach_group(step.subject),
    "create model": lambda webui, step: webui.create_model(step.form),
    "update model": lambda webui, step: webui.update_model(step.form),
    "grant model": lambda webui, step: webui.set_model_access(step.subject, step.form),
    "delete model": lambda webui, step: webui.delete_model(step.subject),
    "create knowledge base": lambda webui, step: webui.create_knowledge_base(step.form),
    "update knowledge base": lambda webui, step: webui.update_knowledge_base(step.subject, step.form),
    "grant knowledge base": lambda webui, step: webui.set_knowledge_access(step.subject, step.form),
}
"""The call for each step; it returns the id of a knowledge base that it made."""
