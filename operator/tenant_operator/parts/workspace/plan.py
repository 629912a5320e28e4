"""Plan of a tenant's workspace in Open WebUI: the desired state, and the writes for the difference. No I/O.

This module decides about access. Names and descriptions are for people, and decide nothing. The status
records the id of each knowledge base. Until the status is written, a mark among the grants identifies the
knowledge base. The mark is a grant to a nonexistent user, named after the Tenant's uid and the persona; no
page of Open WebUI shows the mark.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tenancy.model import Persona, Tenant
from tenancy.names import build_group_path, build_model_id

__all__ = [
    "BASE_MODEL",
    "RETAINED_PREFIX",
    "Action",
    "KnowledgeBase",
    "OpenWebUIGroup",
    "Step",
    "WorkspaceState",
    "assign_bases",
    "build_grants",
    "build_group_form",
    "build_mark",
    "build_name_prefix",
    "build_retained_group_form",
    "describe_kept",
    "get_known_bases",
    "is_own_group",
    "parse_knowledge_base",
    "plan",
    "plan_former",
]

BASE_MODEL = "tenantry"
"""Id of the pipe function that answers for every persona."""

Grant = tuple[str, str, str]
"""Type and id of the grantee, and ``read`` or ``write``."""

MARK_PREFIX = "tenantry:"
"""Prefix of the id of the nonexistent user in a mark."""

RETAINED_PREFIX = "/retained/"
"""Prefix of the names of the groups of earlier Tenants."""


@dataclass(frozen=True)
class OpenWebUIGroup:
    """Observed group; ``id`` is empty when the group is absent.

    Members of its child groups inherit its rights. ``namesakes`` are ids of groups of the same name that
    belong to other Tenants.
    """

    id: str = ""
    form: dict[str, Any] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    children: frozenset[str] = frozenset()
    namesakes: tuple[str, ...] = ()


@dataclass(frozen=True)
class KnowledgeBase:
    """Observed knowledge base. ``files`` is ``None`` when the files were not counted."""

    id: str
    persona: str
    name: str = ""
    description: str = ""
    grants: frozenset[Grant] = frozenset()
    files: int | None = None


@dataclass(frozen=True)
class WorkspaceState:
    """Observed state: the group, the users who belong in the group, models by id, knowledge bases by persona.

    ``former`` are the knowledge bases of deleted personas.
    """

    group: OpenWebUIGroup = OpenWebUIGroup()
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
    """One write: the action, its subject, and the form to send."""

    action: Action
    subject: str
    form: Any = None

    @property
    def change(self) -> str:
        """Description of the step for the log."""
        return f"{self.action} {self.subject}"


def build_mark(tenant: Tenant, persona_id: str) -> dict[str, str]:
    """Return the grant that identifies a persona's knowledge base until the status names it."""
    holder = f"{MARK_PREFIX}{tenant.key}/{tenant.metadata.uid}/{persona_id}"
    return {"principal_type": "user", "principal_id": holder, "permission": "read"}


def build_name_prefix(tenant: Tenant) -> str:
    """Return the prefix of the names of the tenant's knowledge bases, for a search."""
    return f"{_build_title(tenant)}: "


def build_group_form(tenant: Tenant) -> dict[str, Any]:
    """Return the form of the tenant's group. It has no parent, so members inherit no other rights."""
    about = f"Members of {_build_title(tenant)}, managed by the Tenant resource."
    return {
        "name": build_group_path(tenant.id),
        "description": about,
        "parent_group_id": None,
        "data": {"tenantry": {"tenant": tenant.id, "uid": tenant.metadata.uid}},
    }


def is_own_group(tenant: Tenant, group: Mapping[str, Any]) -> bool:
    """Return True if a group belongs to this Tenant, and not to an earlier Tenant of the same name."""
    owner = (group.get("data") or {}).get("tenantry") or {}
    return group["name"] == build_group_path(tenant.id) and owner.get("uid") == tenant.metadata.uid


def build_retained_group_form(tenant: Tenant, group_id: str) -> dict[str, Any]:
    """Return the form that renames an earlier Tenant's group, so that no login finds the group."""
    about = "Group of an earlier Tenant of this name, whose data is retained."
    return {
        "name": f"{RETAINED_PREFIX}{tenant.key}/{group_id}",
        "description": about,
        "parent_group_id": None,
    }


def get_known_bases(tenant: Tenant) -> dict[str, str]:
    """Return the persona of each knowledge base in the status, by the id of the knowledge base."""
    status = tenant.status.workspace
    return {base.id: base.persona for base in status.knowledge} if status else {}


def parse_knowledge_base(tenant: Tenant, body: dict[str, Any], group_id: str) -> KnowledgeBase | None:
    """Parse a knowledge base; return ``None`` if it belongs to another tenant.

    A knowledge base that the Tenant's status names is the tenant's. A mark counts only in an administrator's
    knowledge base that no other group can read, because people with write access can grant.
    """
    granted = _parse_grants(body["access_grants"])
    groups = {holder for kind, holder, _ in granted if kind == "group"}
    owned = (body.get("user") or {}).get("role") == "admin" and groups <= {group_id}
    persona = get_known_bases(tenant).get(body["id"]) or (
        _get_marked_persona(tenant, granted) if owned else None
    )
    if not persona:
        return None
    return KnowledgeBase(
        body["id"], persona, body["name"], body["description"], granted, body.get("file_count")
    )


def _get_marked_persona(tenant: Tenant, granted: Iterable[Grant]) -> str | None:
    """Return the persona in a mark of this Tenant, or ``None`` when no grant is its mark."""
    prefix = build_mark(tenant, "")["principal_id"]
    holders = (holder for kind, holder, _ in granted if kind == "user" and holder.startswith(prefix))
    return next((holder.removeprefix(prefix) for holder in holders), None)


def assign_bases(
    tenant: Tenant, bases: Iterable[KnowledgeBase]
) -> tuple[dict[str, KnowledgeBase], tuple[KnowledgeBase, ...]]:
    """Return each persona's knowledge base, and the others: those of former personas, and duplicates."""
    known = get_known_bases(tenant)
    # Prefer the knowledge base in the status, then the one with the most files.
    ranked = sorted(bases, key=lambda base: (base.id not in known, -(base.files or 0), base.id))
    chosen: dict[str, KnowledgeBase] = {}
    former = []
    for base in ranked:
        if tenant.get_persona(base.persona) and base.persona not in chosen:
            chosen[base.persona] = base
        else:
            former.append(base)
    return chosen, tuple(former)


def plan(tenant: Tenant, observed: WorkspaceState, group_id: str) -> list[Step]:
    """Return all writes, except writes to the group and the writes of :func:`plan_former`."""
    steps = _plan_members(observed, group_id)
    wanted = {build_model_id(tenant.id, persona.id): persona for persona in tenant.spec.personas}
    for key, persona in wanted.items():
        steps += _plan_model(_build_model(tenant, persona), observed.models.get(key), group_id)
        steps += _plan_base(tenant, persona, observed.bases.get(persona.id), group_id)
    steps += [Step("delete model", key) for key in sorted(observed.models.keys() - wanted.keys())]
    return steps


def build_grants(group_id: str, *permissions: str) -> list[dict[str, str]]:
    """Return the grants that give only the group access."""
    return [
        {"principal_type": "group", "principal_id": group_id, "permission": permission}
        for permission in permissions
    ]


def _build_base_grants(
    tenant: Tenant, persona_id: str, group_id: str, *permissions: str
) -> list[dict[str, str]]:
    """Return the grants of a knowledge base; a suspended tenant gets no access.

    Models stay readable for a suspended tenant, so that the gateway can answer with the reason.
    """
    granted = () if tenant.spec.suspended else permissions
    return [*build_grants(group_id, *granted), build_mark(tenant, persona_id)]


def describe_kept(former: Iterable[KnowledgeBase]) -> str:
    """Return the message about knowledge bases of former personas that are kept, or an empty string."""
    kept = ", ".join(sorted(f"{base.persona} (files: {base.files or 'uncounted'})" for base in former))
    return (
        f"knowledge bases of former personas are kept, for reading, until they are empty: {kept}"
        if kept
        else ""
    )


def plan_former(tenant: Tenant, base: KnowledgeBase, group_id: str) -> list[Step]:
    """Return the writes to the knowledge base of a former persona: it becomes read-only."""
    steps = []
    granted = _build_base_grants(tenant, base.persona, group_id, "read")
    if base.grants != _parse_grants(granted):
        steps.append(Step("grant knowledge base", base.id, granted))
    about = f"Documents of a former persona of {_build_title(tenant)}."
    if base.description != about:
        steps.append(Step("update knowledge base", base.id, {"name": base.name, "description": about}))
    return steps


def _plan_members(observed: WorkspaceState, group_id: str) -> list[Step]:
    to_remove = sorted(observed.group.members - observed.people)
    to_add = sorted(observed.people - observed.group.members)
    steps = [Step("detach group", child_id) for child_id in sorted(observed.group.children)]
    steps += [Step("remove members", group_id, to_remove)] if to_remove else []
    return [*steps, Step("add members", group_id, to_add)] if to_add else steps


def _plan_model(wanted: dict[str, Any], live: dict[str, Any] | None, group_id: str) -> list[Step]:
    granted = build_grants(group_id, "read")
    if live is None:
        return [Step("create model", wanted["id"], wanted | {"access_grants": granted})]
    steps = []
    if _parse_grants(live["access_grants"]) != _parse_grants(granted):
        steps.append(Step("grant model", wanted["id"], granted))
    present = {name: live.get(name) for name in wanted}
    merged = _merge(present, wanted)
    if merged != present:
        steps.append(Step("update model", wanted["id"], merged))
    return steps


def _plan_base(tenant: Tenant, persona: Persona, live: KnowledgeBase | None, group_id: str) -> list[Step]:
    about = f"{_build_title(persona)}, shared documents of {_build_title(tenant)}."
    wanted = {"name": _build_model_name(tenant, persona), "description": about}
    granted = _build_base_grants(tenant, persona.id, group_id, "read", "write")
    if live is None:
        return [Step("create knowledge base", persona.id, wanted | {"access_grants": granted})]
    steps = []
    if live.grants != _parse_grants(granted):
        steps.append(Step("grant knowledge base", live.id, granted))
    if {"name": live.name, "description": live.description} != wanted:
        steps.append(Step("update knowledge base", live.id, wanted))
    return steps


def _build_model(tenant: Tenant, persona: Persona) -> dict[str, Any]:
    return {
        "id": build_model_id(tenant.id, persona.id),
        "base_model_id": BASE_MODEL,
        "name": _build_model_name(tenant, persona),
        "meta": {
            "description": f"Answers from the documents of {_build_title(tenant)} "
            f"for {_build_title(persona)}.",
            # Otherwise Open WebUI inserts the text of attached files into the question.
            "capabilities": {"file_context": False},
            "tenantry": tenant.key,
        },
        "params": {},
        "is_active": True,
    }


def _build_model_name(tenant: Tenant, persona: Persona) -> str:
    return f"{build_name_prefix(tenant)}{_build_title(persona)}"


def _build_title(named: Tenant | Persona) -> str:
    """Return the display name, else the id."""
    return (named.spec.display_name if isinstance(named, Tenant) else named.display_name) or named.id


def _parse_grants(forms: Iterable[Mapping[str, str]]) -> frozenset[Grant]:
    return frozenset((form["principal_type"], form["principal_id"], form["permission"]) for form in forms)


def _merge(live: Any, wanted: Any) -> Any:
    """Return ``live`` with every wanted value; keep values that others added."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return live | {name: _merge(live.get(name), value) for name, value in wanted.items()}
    return wanted
