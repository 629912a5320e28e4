"""What a tenant is to have in Open WebUI, and what has to be done about the difference. Pure: no I/O.

Who may read what is decided here. A knowledge base's people may write to it, and so may change its name and
its description, too: what stands there only helps to find a knowledge base again, and never gives it away.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tenancy.model import Persona, Tenant
from tenancy.names import group_path, model_id

__all__ = [
    "BASE_MODEL",
    "Action",
    "Group",
    "KnowledgeBase",
    "Step",
    "WorkspaceState",
    "choose",
    "grants",
    "kept_note",
    "knowledge_base",
    "known_bases",
    "marker",
    "plan",
    "plan_former",
    "retired_group",
    "uid_marker",
    "wanted_group",
]

BASE_MODEL = "tenantry"
"""Id of the pipe function that answers for every persona."""

Grant = tuple[str, str, str]
"""Type and id of who is granted something, and ``read`` or ``write``."""


@dataclass(frozen=True)
class Group:
    """A group as it is; ``id`` is empty when there is none.

    Members of groups beneath it (``under``) have its rights, too.
    """

    id: str = ""
    form: dict[str, Any] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    under: frozenset[str] = frozenset()


@dataclass(frozen=True)
class KnowledgeBase:
    """A knowledge base as it is. ``files`` is ``None`` where nobody has counted them."""

    id: str
    persona: str
    name: str = ""
    description: str = ""
    grants: frozenset[Grant] = frozenset()
    files: int | None = None


@dataclass(frozen=True)
class WorkspaceState:
    """All that is there: the group, the users who belong in it, models by id, a knowledge base a persona.

    ``former`` are knowledge bases of the tenant's that no persona has any more.
    """

    group: Group = Group()
    people: frozenset[str] = frozenset()
    models: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    bases: Mapping[str, KnowledgeBase] = field(default_factory=dict)
    former: tuple[KnowledgeBase, ...] = ()


Action = Literal[
    "add members", "remove members", "detach group",
    "create model", "update model", "grant model", "delete model",
    "create knowledge base", "update knowledge base", "grant knowledge base",
]  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One write: what is done, to what, and the form that is sent."""

    action: Action
    subject: str
    form: Any = None

    @property
    def change(self) -> str:
        """The step in words."""
        return f"{self.action} {self.subject}"


def marker(tenant: Tenant, persona_id: str = "") -> str:
    """Return what stands in the description of a persona's knowledge base; without persona, its beginning."""
    return f"[tenantry:{tenant.key}/{persona_id}]" if persona_id else f"[tenantry:{tenant.key}/"


def uid_marker(tenant: Tenant) -> str:
    """Return what stands in the description of a tenant's group: the Tenant that it belongs to.

    Knowledge bases are known by their group, so none of an earlier Tenant of the name is taken over.
    """
    return f"[tenantry-uid:{tenant.uid}]"


def wanted_group(tenant: Tenant) -> dict[str, Any]:
    """Return the form of the tenant's group. A group above it would share its rights with all members."""
    about = f"The people of {_title(tenant)}, kept as the Tenant says. {uid_marker(tenant)}"
    return {"name": group_path(tenant.id), "description": about, "parent_group_id": None}


def retired_group(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form of a group whose Tenant is gone: its name is free for a later one."""
    name, about = str(found["name"]), str(found["description"])
    end = f" (removed {str(found['id'])[:8]})"
    return {"name": name.removesuffix(end) + end, "description": about, "parent_group_id": None}


def known_bases(tenant: Tenant) -> dict[str, str]:
    """Return the persona of each knowledge base that the status names, by its id."""
    status = tenant.status.workspace
    return {each.id: each.persona for each in status.knowledge} if status else {}


def knowledge_base(tenant: Tenant, body: dict[str, Any], group_id: str) -> KnowledgeBase | None:
    """Read a knowledge base that was found; ``None`` when it is not this tenant's, whatever it says.

    The status of the Tenant is beyond doubt. A marker is not, for people write descriptions: it counts in a
    knowledge base of an administrator's that this group may read: a group is one Tenant's only.
    """
    named = re.search(re.escape(marker(tenant)) + r"([a-z0-9-]+)\]", body["description"])
    granted = _granted(body["access_grants"])
    groups = {holder for kind, holder, _ in granted if kind == "group"}
    owned = (body.get("user") or {}).get("role") == "admin" and group_id in groups
    persona = known_bases(tenant).get(body["id"]) or (named[1] if named and owned else None)
    if not persona:
        return None
    return KnowledgeBase(
        body["id"], persona, body["name"], body["description"], granted, body.get("file_count")
    )


def choose(
    tenant: Tenant, found: Iterable[KnowledgeBase], group_id: str
) -> tuple[dict[str, KnowledgeBase], tuple[KnowledgeBase, ...]]:
    """Return each persona's knowledge base, and what is left over: former personas', and copies."""
    known = known_bases(tenant)
    # The one that the status names; else the one with most in it.
    ranked = sorted(found, key=lambda base: (base.id not in known, -(base.files or 0), base.id))
    chosen: dict[str, KnowledgeBase] = {}
    former = []
    for base in ranked:
        if tenant.persona(base.persona) and base.persona not in chosen:
            chosen[base.persona] = base
        elif base.id in known or ("group", group_id, "read") in base.grants:
            former.append(base)
    return chosen, tuple(former)


def plan(tenant: Tenant, observed: WorkspaceState, group_id: str) -> list[Step]:
    """Return every write but those to the group itself, and to what :func:`plan_former` is for."""
    steps = _plan_members(observed, group_id)
    wanted = {model_id(tenant.id, persona.id): persona for persona in tenant.spec.personas}
    for key, persona in wanted.items():
        steps += _plan_model(_wanted_model(tenant, persona), observed.models.get(key), group_id)
        steps += _plan_base(tenant, persona, observed.bases.get(persona.id), group_id)
    steps += [Step("delete model", key) for key in sorted(observed.models.keys() - wanted.keys())]
    return steps


def grants(group_id: str, *permissions: str) -> list[dict[str, str]]:
    """Return the grants that make something the group's alone."""
    return [
        {"principal_type": "group", "principal_id": group_id, "permission": permission}
        for permission in permissions
    ]


def kept_note(former: Iterable[KnowledgeBase]) -> str:
    """Say which former knowledge bases are kept; nothing when none is."""
    kept = ", ".join(sorted(f"{base.persona} (files: {base.files or 'uncounted'})" for base in former))
    return (
        f"knowledge bases of former personas are kept, for reading, until they are empty: {kept}"
        if kept
        else ""
    )


def plan_former(tenant: Tenant, base: KnowledgeBase, group_id: str) -> list[Step]:
    """Return the writes to a knowledge base that no persona has any more: nothing new shall come into it."""
    steps = []
    granted = grants(group_id, "read")
    if base.grants != _granted(granted):
        steps.append(Step("grant knowledge base", base.id, granted))
    if marker(tenant, base.persona) not in base.description:
        about = f"Documents of a former persona. {marker(tenant, base.persona)}"
        steps.append(Step("update knowledge base", base.id, {"name": base.name, "description": about}))
    return steps


def _plan_members(observed: WorkspaceState, group_id: str) -> list[Step]:
    leave = sorted(observed.group.members - observed.people)
    join = sorted(observed.people - observed.group.members)
    steps = [Step("detach group", each) for each in sorted(observed.group.under)]
    steps += [Step("remove members", group_id, leave)] if leave else []
    return [*steps, Step("add members", group_id, join)] if join else steps


def _plan_model(wanted: dict[str, Any], live: dict[str, Any] | None, group_id: str) -> list[Step]:
    granted = grants(group_id, "read")
    if live is None:
        return [Step("create model", wanted["id"], wanted | {"access_grants": granted})]
    steps = []
    if _granted(live["access_grants"]) != _granted(granted):
        steps.append(Step("grant model", wanted["id"], granted))
    present = {name: live.get(name) for name in wanted}
    merged = _merged(present, wanted)
    if merged != present:
        steps.append(Step("update model", wanted["id"], merged))
    return steps


def _plan_base(tenant: Tenant, persona: Persona, live: KnowledgeBase | None, group_id: str) -> list[Step]:
    name = _model_name(tenant, persona)
    wanted = {"name": name, "description": f"Documents of {name}. {marker(tenant, persona.id)}"}
    granted = grants(group_id, "read", "write")
    if live is None:
        return [Step("create knowledge base", persona.id, wanted | {"access_grants": granted})]
    steps = []
    if live.grants != _granted(granted):
        steps.append(Step("grant knowledge base", live.id, granted))
    if {"name": live.name, "description": live.description} != wanted:
        steps.append(Step("update knowledge base", live.id, wanted))
    return steps


def _wanted_model(tenant: Tenant, persona: Persona) -> dict[str, Any]:
    return {
        "id": model_id(tenant.id, persona.id),
        "base_model_id": BASE_MODEL,
        "name": _model_name(tenant, persona),
        "meta": {
            "description": f"Answers from the documents of {_title(tenant)} for {_title(persona)}.",
            # Else Open WebUI puts the text of attached files into the question by itself.
            "capabilities": {"file_context": False},
            "tenantry": tenant.key,
        },
        "params": {},
        "is_active": True,
    }


def _model_name(tenant: Tenant, persona: Persona) -> str:
    return f"{_title(tenant)}: {_title(persona)}"


def _title(named: Tenant | Persona) -> str:
    """Return the name that people see."""
    return (named.spec.display_name if isinstance(named, Tenant) else named.display_name) or named.id


def _granted(forms: Iterable[Mapping[str, str]]) -> frozenset[Grant]:
    return frozenset((each["principal_type"], each["principal_id"], each["permission"]) for each in forms)


def _merged(live: Any, wanted: Any) -> Any:
    """Return ``live`` with all that is wanted of it; what others added to it is theirs."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return live | {name: _merged(live.get(name), value) for name, value in wanted.items()}
    return wanted
