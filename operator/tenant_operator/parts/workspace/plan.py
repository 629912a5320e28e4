"""What a tenant is to have in Open WebUI, and what has to be done about the difference. Pure: no I/O.

Who may read what is decided here. Names and descriptions are for people and decide nothing. The operator
knows a knowledge base by the id in the status. Before the status is written it knows one by a mark among
its grants, which no page shows: a grant to a user who does not exist, named after the uid and the persona.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tenancy.model import Persona, Tenant
from tenancy.names import group_path, model_id

__all__ = [
    "BASE_MODEL",
    "RETIRED",
    "Action",
    "Group",
    "KnowledgeBase",
    "Step",
    "WorkspaceState",
    "choose",
    "grants",
    "is_own_group",
    "kept_note",
    "knowledge_base",
    "known_bases",
    "mark",
    "name_prefix",
    "plan",
    "plan_former",
    "retired_group",
    "wanted_group",
]

BASE_MODEL = "tenantry"
"""Id of the pipe function that answers for every persona."""

Grant = tuple[str, str, str]
"""Type and id of who is granted something, and ``read`` or ``write``."""

MARK = "tenantry:"
"""Beginning of the id of the user who does not exist."""

RETIRED = "/retained/"
"""Beginning of the names of the groups of earlier Tenants."""


@dataclass(frozen=True)
class Group:
    """A group as it is; ``id`` is empty when there is none.

    Members of groups beneath it (``under``) have its rights, too. ``namesakes`` are ids of groups of its name
    that are not this Tenant's.
    """

    id: str = ""
    form: dict[str, Any] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    under: frozenset[str] = frozenset()
    namesakes: tuple[str, ...] = ()


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


def mark(tenant: Tenant, persona_id: str) -> dict[str, str]:
    """Return the grant by which a persona's knowledge base is known until the status names it."""
    holder = f"{MARK}{tenant.key}/{tenant.metadata.uid}/{persona_id}"
    return {"principal_type": "user", "principal_id": holder, "permission": "read"}


def name_prefix(tenant: Tenant) -> str:
    """Return the beginning of the names of the tenant's knowledge bases, to search for them."""
    return f"{_title(tenant)}: "


def wanted_group(tenant: Tenant) -> dict[str, Any]:
    """Return the form of the tenant's group. A group above it would share its rights with all members."""
    about = f"The people of {_title(tenant)}, kept as the Tenant says."
    return {
        "name": group_path(tenant.id),
        "description": about,
        "parent_group_id": None,
        "data": {"tenantry": {"tenant": tenant.id, "uid": tenant.metadata.uid}},
    }


def is_own_group(tenant: Tenant, found: Mapping[str, Any]) -> bool:
    """Return True if a group was made for this Tenant, and not for an earlier one of the same name."""
    made_for = (found.get("data") or {}).get("tenantry") or {}
    return found["name"] == group_path(tenant.id) and made_for.get("uid") == tenant.metadata.uid


def retired_group(tenant: Tenant, group_id: str) -> dict[str, Any]:
    """Return the form of an earlier Tenant's group of the same name: no login finds it by the new name."""
    about = "The people of an earlier Tenant of this name, whose data was retained."
    return {"name": f"{RETIRED}{tenant.key}/{group_id}", "description": about, "parent_group_id": None}


def known_bases(tenant: Tenant) -> dict[str, str]:
    """Return the persona of each knowledge base that the status names, by its id."""
    status = tenant.status.workspace
    return {each.id: each.persona for each in status.knowledge} if status else {}


def knowledge_base(tenant: Tenant, body: dict[str, Any], group_id: str) -> KnowledgeBase | None:
    """Read a knowledge base that was found; ``None`` when it is not this tenant's, whatever it says.

    The status of the Tenant is beyond doubt. A mark is not, for people who may write can grant: it counts in
    a knowledge base of an administrator's that no other group may read.
    """
    granted = _granted(body["access_grants"])
    groups = {holder for kind, holder, _ in granted if kind == "group"}
    owned = (body.get("user") or {}).get("role") == "admin" and groups <= {group_id}
    persona = known_bases(tenant).get(body["id"]) or (_marked(tenant, granted) if owned else None)
    if not persona:
        return None
    return KnowledgeBase(
        body["id"], persona, body["name"], body["description"], granted, body.get("file_count")
    )


def _marked(tenant: Tenant, granted: Iterable[Grant]) -> str | None:
    """Return the persona that a mark of this Tenant names."""
    prefix = mark(tenant, "")["principal_id"]
    holders = (holder for kind, holder, _ in granted if kind == "user" and holder.startswith(prefix))
    return next((holder.removeprefix(prefix) for holder in holders), None)


def choose(
    tenant: Tenant, found: Iterable[KnowledgeBase]
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
        else:
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


def _base_grants(tenant: Tenant, persona_id: str, group_id: str, *permissions: str) -> list[dict[str, str]]:
    """Return the grants of a knowledge base; nobody may read or write that of a suspended tenant.

    Its models can still be asked: the gateway's sentence says why there is no answer.
    """
    held = () if tenant.spec.suspended else permissions
    return [*grants(group_id, *held), mark(tenant, persona_id)]


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
    granted = _base_grants(tenant, base.persona, group_id, "read")
    if base.grants != _granted(granted):
        steps.append(Step("grant knowledge base", base.id, granted))
    about = f"Documents of a former persona of {_title(tenant)}."
    if base.description != about:
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
    about = f"{_title(persona)}, shared documents of {_title(tenant)}."
    wanted = {"name": _model_name(tenant, persona), "description": about}
    granted = _base_grants(tenant, persona.id, group_id, "read", "write")
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
    return f"{name_prefix(tenant)}{_title(persona)}"


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
