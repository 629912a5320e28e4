"""Operator part that keeps the tenant's workspace in Open WebUI.

A workspace is a group, and a model and a knowledge base for each persona. Only the group can read models and
knowledge bases. Its members are the accounts of people whose verified address the Tenant names.

Objects with a recorded id are read by that id. A run searches only when the status may be incomplete: the
first run, and a run after a failure.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from servicekit.errors import BackendUnavailable
from tenancy.emails import get_search_term
from tenancy.model import Tenant, WorkspaceStatus
from tenancy.names import build_group_path, build_model_id, parse_model_id

from ...clients.keycloak import Keycloak
from ...clients.open_webui import OpenWebUI, TenantContent, get_subject
from ...conditions import ConditionResult, build_condition_type
from ...part import EnsureResult
from .plan import (
    Action,
    KnowledgeBase,
    OpenWebUIGroup,
    Step,
    WorkspaceState,
    assign_bases,
    build_group_form,
    build_name_prefix,
    build_retained_group_form,
    describe_kept,
    get_known_bases,
    is_own_group,
    parse_knowledge_base,
    plan,
    plan_former,
)

__all__ = ["WorkspacePart"]

OPEN_REQUESTS_DELAY_SECONDS = 5.0
"""Pause after accounts are closed. Requests that Open WebUI admitted earlier end in this time."""

LAST_ANSWER_DELAY_SECONDS = 15
"""Longest time from a Tenant's deletion to the end of its last answer, plus the largest difference between
two clocks."""

FOREVER = 2**62
"""A time later than any that Open WebUI stores."""


class WorkspacePart:
    """Keeps the group in Open WebUI with its members, and each persona's model and knowledge base.

    Parameters
    ----------
    webui
        Client of Open WebUI.
    keycloak
        Client of the realm, for the tenant's people.
    """

    name = "workspace"
    after = "identity"
    section = WorkspaceStatus
    retained = ("groups", "models", "knowledge bases", "accounts", "chats", "files", "feedback")

    def __init__(self, webui: OpenWebUI, keycloak: Keycloak) -> None:
        self._webui = webui
        self._keycloak = keycloak

    async def observe(self, tenant: Tenant) -> WorkspaceState:
        """Read the group, the accounts that belong in it, the models and the knowledge bases."""
        group, subjects = await asyncio.gather(self._find_group(tenant), self._find_subjects(tenant))
        people, models, unassigned = await asyncio.gather(
            self._find_people(tenant, subjects, group),
            self._find_models(tenant, search=not _is_settled(tenant)),
            self._find_bases(tenant, group.id, search=not _is_settled(tenant)),
        )
        bases, former = assign_bases(tenant, unassigned)
        return WorkspaceState(group, people, models, bases, former)

    async def ensure(self, tenant: Tenant, observed: WorkspaceState) -> EnsureResult:
        """Create or repair the group first, because all grants name it, then everything else concurrently.

        Raises
        ------
        BackendUnavailable
            A second search found a knowledge base that was missing in the first.
        """
        changes: list[str] = []
        group_id = await self._ensure_group(tenant, observed.group, changes)
        steps = plan(tenant, observed, group_id)
        if any(step.action == "create knowledge base" for step in steps):
            await self._confirm_absence(tenant, observed, group_id)
        results = await asyncio.gather(*(_WRITES[step.action](self._webui, step) for step in steps))
        kept = await asyncio.gather(
            *(self._keep_or_delete_base(tenant, base, group_id, changes) for base in observed.former)
        )
        changes += [step.change for step in steps]
        created = {step.subject: new for step, new in zip(steps, results, strict=True) if new}
        knowledge = {base.persona: base.id for base in reversed(kept) if base} | {
            persona.id: created.get(persona.id) or observed.bases[persona.id].id
            for persona in tenant.spec.personas
        }
        status = {
            "groupId": group_id,
            "knowledge": [{"persona": persona, "id": knowledge[persona]} for persona in sorted(knowledge)],
        }
        note = describe_kept(base for base in kept if base)
        return EnsureResult(changes, status, ConditionResult(status=True, reason="AsDeclared", message=note))

    async def remove(self, tenant: Tenant) -> None:
        """Delete models, close accounts, then delete their content, the knowledge bases and last the group.

        The group goes last because it identifies the people. A closed account can no longer write content.

        Raises
        ------
        BackendUnavailable
            Some data remains.
        """
        group = await self._find_group(tenant)
        models = await self._find_models(tenant, search=True)
        await asyncio.gather(*(self._webui.delete_model(key) for key in models))
        bases = await self._find_bases(tenant, group.id, search=True)
        content = _build_content(tenant, group, bases)
        if await self._webui.close_accounts(content):
            await asyncio.sleep(OPEN_REQUESTS_DELAY_SECONDS)
        await self._delete_content(content)
        for base in bases:
            await self._webui.delete_knowledge_base(base.id)
        if await self._find_bases(tenant, group.id, search=True):
            raise BackendUnavailable("open-webui", "delete-knowledge", "a knowledge base still exists")
        if group.id:
            await self._webui.delete_group(group.id)

    async def count(self, tenant: Tenant) -> dict[str, int]:
        """Count the group, models, knowledge bases, and the content of people."""
        group = await self._find_group(tenant)
        models, bases = await asyncio.gather(
            self._find_models(tenant, search=True), self._find_bases(tenant, group.id, search=True)
        )
        content = await self._webui.count_content(_build_content(tenant, group, bases))
        own = {"groups": int(bool(group.id)), "models": len(models), "knowledge bases": len(bases)}
        return {f"{counter} of {tenant.key}": count for counter, count in (own | content).items()}

    async def release(self, tenant: Tenant) -> None:
        """Remove all members of the group, because no Tenant names them any more. Keep everything else."""
        group = await self._find_group(tenant)
        if group.members:
            await self._webui.remove_members(group.id, sorted(group.members))

    async def _find_group(self, tenant: Tenant) -> OpenWebUIGroup:
        """Return the group with the recorded id, else the group with the tenant's name and uid."""
        recorded = tenant.status.workspace
        own = await self._webui.get_group(recorded.group_id) if recorded else None
        namesakes = []
        for group_id in await self._webui.list_group_ids(build_group_path(tenant.id)) if own is None else ():
            group = await self._webui.get_group(group_id)
            if group and own is None and is_own_group(tenant, group):
                own = group
            elif group and group["name"] == build_group_path(tenant.id) and not is_own_group(tenant, group):
                namesakes.append(group_id)
        return replace(await self._to_group(own) if own else OpenWebUIGroup(), namesakes=tuple(namesakes))

    async def _to_group(self, group: dict[str, Any]) -> OpenWebUIGroup:
        form = {name: group.get(name) for name in ("name", "description", "parent_group_id")}
        form["data"] = {"tenantry": (group.get("data") or {}).get("tenantry")}
        children = await self._webui.list_child_groups(group["id"])
        return OpenWebUIGroup(group["id"], form, frozenset(group["user_ids"]), frozenset(children))

    async def _find_subjects(self, tenant: Tenant) -> frozenset[str]:
        """Return the Keycloak ids of the people whose verified address the Tenant names."""
        people = await self._keycloak.search_accounts(tenant.spec.email_patterns)
        return frozenset(person["id"] for person in people)

    async def _find_people(
        self, tenant: Tenant, subjects: frozenset[str], group: OpenWebUIGroup
    ) -> frozenset[str]:
        """Return the Open WebUI users who log in as one of the tenant's people in Keycloak."""
        if not subjects:
            return frozenset()
        terms = sorted({get_search_term(pattern) for pattern in tenant.spec.email_patterns})
        pages = await asyncio.gather(*(self._webui.search_users(term) for term in terms))
        found = {user["id"]: user for users in pages for user in users}
        # The search misses a member whose address in Open WebUI differs: get such members by id.
        others = await asyncio.gather(*(self._webui.get_user(key) for key in group.members - found.keys()))
        return frozenset(
            user["id"] for user in (*found.values(), *filter(None, others)) if get_subject(user) in subjects
        )

    async def _find_models(self, tenant: Tenant, *, search: bool) -> dict[str, dict[str, Any]]:
        """Return the models of the tenant's current and former personas, by id."""
        listed = await self._webui.search_models(tenant.key) if search else []
        models = {model["id"]: model for model in listed if _is_of(tenant, model["id"])}
        personas = {persona.id for persona in tenant.spec.personas} | set(get_known_bases(tenant).values())
        missing = {build_model_id(tenant.id, persona) for persona in personas} - models.keys()
        others = await asyncio.gather(*(self._webui.get_model(key) for key in sorted(missing)))
        return models | {model["id"]: model for model in others if model}

    async def _find_bases(self, tenant: Tenant, group_id: str, *, search: bool) -> list[KnowledgeBase]:
        """Return the tenant's knowledge bases: those that its status names, and those with its mark."""
        listed = await self._webui.search_knowledge_bases(build_name_prefix(tenant)) if search else []
        missing = get_known_bases(tenant).keys() - {base["id"] for base in listed}
        others = await asyncio.gather(*(self._webui.get_knowledge_base(key) for key in sorted(missing)))
        if not search and not all(others):
            return await self._find_bases(tenant, group_id, search=True)
        bases = (parse_knowledge_base(tenant, body, group_id) for body in (*listed, *others) if body)
        return [base for base in bases if base]

    async def _ensure_group(self, tenant: Tenant, observed: OpenWebUIGroup, changes: list[str]) -> str:
        wanted = build_group_form(tenant)
        for group_id in observed.namesakes:
            changes.append(f"rename retained group {group_id}")
            await self._rename_retained_group(tenant, group_id)
        if not observed.id:
            changes.append(f"create group {wanted['name']}")
            return await self._webui.create_group(wanted)
        if observed.form != wanted:
            changes.append(f"repair group {wanted['name']}")
            await self._webui.update_group(observed.id, wanted)
        return observed.id

    async def _rename_retained_group(self, tenant: Tenant, group_id: str) -> None:
        """Remove all members of an earlier Tenant's group, then rename it, so that no login finds it.

        Membership grants access to retained data. The rename is last, because a run after a failure finds the
        group by its old name.
        """
        group = await self._webui.get_group(group_id)
        if group and group["user_ids"]:
            await self._webui.remove_members(group_id, group["user_ids"])
        if group:
            await self._webui.update_group(group_id, build_retained_group_form(tenant, group_id))

    async def _confirm_absence(self, tenant: Tenant, observed: WorkspaceState, group_id: str) -> None:
        """Search again before a creation: a search that fails inside Open WebUI returns an empty list.

        A second knowledge base of the persona would hide the documents of the first.
        """
        seen = {base.id for base in (*observed.bases.values(), *observed.former)}
        in_second_search = {base.id for base in await self._find_bases(tenant, group_id, search=True)}
        if in_second_search - seen:
            raise BackendUnavailable(
                "open-webui", "create-knowledge", "a knowledge base was found in the second search", 0.1
            )

    async def _keep_or_delete_base(
        self, tenant: Tenant, base: KnowledgeBase, group_id: str, changes: list[str]
    ) -> KnowledgeBase | None:
        """Keep a former persona's knowledge base while it has files; delete an empty knowledge base.

        The files are counted again after write access is removed.
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
        """Return the number of files of a knowledge base; at least 1 when the search does not find it."""
        listed = await self._webui.search_knowledge_bases(base.name)
        counted = {entry["id"]: int(entry["file_count"]) for entry in listed}
        return counted.get(base.id, 1) + len(await self._webui.list_pending_files(base.id))

    async def _delete_content(self, content: TenantContent) -> None:
        """Delete accounts, chats, files and feedback until nothing remains, in calls of some seconds.

        Raises
        ------
        BackendUnavailable
            A call deleted nothing.
        """
        remaining = await self._webui.count_content(content)
        while any(remaining.values()):
            before, remaining = remaining, await self._webui.delete_content(content)
            if sum(remaining.values()) >= sum(before.values()):
                counted = ", ".join(f"{count} {counter}" for counter, count in remaining.items() if count)
                raise BackendUnavailable("open-webui", "delete-content", f"still there: {counted}")


def _build_content(tenant: Tenant, group: OpenWebUIGroup, bases: Iterable[KnowledgeBase]) -> TenantContent:
    created, deleted = tenant.metadata.creation_timestamp, tenant.metadata.deletion_timestamp
    since = int(created.timestamp()) if created else 0
    until = int(deleted.timestamp()) + LAST_ANSWER_DELAY_SECONDS if deleted else FOREVER
    groups = [group.id] if group.id else []
    return TenantContent(tenant.key, groups, sorted(base.id for base in bases), since, until)


def _is_settled(tenant: Tenant) -> bool:
    """Return True if the status is complete: the last run reconciled this spec and succeeded.

    A tenant with knowledge bases of former personas is never settled: only a search counts their files.
    """
    condition = tenant.status.get_condition(build_condition_type("workspace"))
    return (
        condition is not None
        and condition.status == "True"
        and condition.observed_generation == tenant.metadata.generation
        and all(tenant.get_persona(persona) for persona in get_known_bases(tenant).values())
    )


def _is_of(tenant: Tenant, key: str) -> bool:
    parsed = parse_model_id(key)
    return parsed is not None and parsed[0] == tenant.id


_WRITES: Mapping[Action, Callable[[OpenWebUI, Step], Awaitable[str | None]]] = {
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
"""The call for each action; a creation of a knowledge base returns its id."""
