"""Operator part that keeps the tenant's groups in Keycloak: members, and a sub-group of administrators.

The members are exactly the accounts whose verified e-mail matches ``spec.identity``. The operator removes
members that a person added manually.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from servicekit.errors import BackendUnavailable
from tenancy.emails import matches_any
from tenancy.model import IdentityStatus, Tenant
from tenancy.names import REALM_PARENT_GROUP, TENANT_UID_ATTRIBUTE, build_group_path

from ..clients.keycloak import Keycloak
from ..part import EnsureResult

__all__ = ["Account", "IdentityPart", "IdentityState", "KeycloakGroup", "plan_members"]

ADMINS = "admins"


@dataclass(frozen=True)
class Account:
    """A user of the realm."""

    id: str
    email: str


@dataclass(frozen=True)
class KeycloakGroup:
    """Observed group; ``id`` is empty when the group is absent."""

    id: str = ""
    path: str = ""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    members: frozenset[Account] = frozenset()


@dataclass(frozen=True)
class IdentityState:
    """Observed groups, and the accounts that belong in them."""

    group: KeycloakGroup = KeycloakGroup()
    admins: KeycloakGroup = KeycloakGroup()
    people: frozenset[Account] = frozenset()


def plan_members(
    wanted: Iterable[Account], present: Iterable[Account]
) -> tuple[list[Account], list[Account]]:
    """Return the accounts to add and the accounts to remove, in a stable order."""
    want, have = {p.id: p for p in wanted}, {p.id: p for p in present}
    to_add = [want[key] for key in sorted(want.keys() - have.keys())]
    to_remove = [have[key] for key in sorted(have.keys() - want.keys())]
    return to_add, to_remove


class IdentityPart:
    """Keeps the group in Keycloak, its sub-group of administrators, and the members of both.

    Parameters
    ----------
    keycloak
        Client of the realm.
    """

    name = "identity"
    after = ""
    section = IdentityStatus
    retained = ("groups", "members")

    def __init__(self, keycloak: Keycloak) -> None:
        self._keycloak = keycloak

    async def observe(self, tenant: Tenant) -> IdentityState:
        """Read both groups with their members, and the accounts that belong in them."""
        group_json, people = await asyncio.gather(self._find_group(tenant), self._find_people(tenant))
        if not group_json:
            return IdentityState(people=people)
        sub = await self._keycloak.get_group_by_path(f"{_get_path(group_json)}/{ADMINS}")
        group, admins = await asyncio.gather(self._load_group(group_json), self._load_group(sub))
        return IdentityState(group, admins, people)

    async def ensure(self, tenant: Tenant, observed: IdentityState) -> EnsureResult:
        """Create or repair both groups, then add and remove members."""
        changes: list[str] = []
        group_id = await self._ensure_group(tenant, observed.group, changes)
        admins_id = await self._ensure_admins(tenant, group_id, observed.admins, changes)
        admins = [p for p in observed.people if matches_any(tenant.spec.identity.admins, p.email)]
        await self._ensure_members(group_id, observed.people, observed.group.members, changes)
        await self._ensure_members(admins_id, admins, observed.admins.members, changes)
        status = {
            "realm": self._keycloak.realm,
            "groupId": group_id,
            "groupPath": build_group_path(tenant.id),
        }
        return EnsureResult(changes, status)

    async def remove(self, tenant: Tenant) -> None:
        """Delete the group with its sub-group; the accounts stay."""
        group = await self._find_group(tenant)
        if group:
            await self._keycloak.delete_group(group["id"])

    async def count(self, tenant: Tenant) -> dict[str, int]:
        """Count the group, its sub-group and the members of both."""
        found = await self._find_group(tenant)
        sub = await self._keycloak.get_group_by_path(f"{_get_path(found)}/{ADMINS}") if found else None
        groups = [group for group in (found, sub) if group]
        members = await asyncio.gather(*(self._keycloak.list_members(group["id"]) for group in groups))
        path = build_group_path(tenant.id)
        return {f"groups {path}": len(groups), f"members of {path}": sum(map(len, members))}

    async def release(self, tenant: Tenant) -> None:
        """Do nothing: the group is retained."""

    async def _find_group(self, tenant: Tenant) -> dict[str, Any] | None:
        """Return the group at its path, else the group with the recorded id: people can rename groups."""
        found = await self._keycloak.get_group_by_path(build_group_path(tenant.id))
        known = tenant.status.identity
        if found or not known:
            return found
        return await self._keycloak.get_group(known.group_id)

    async def _load_group(self, group: dict[str, Any] | None) -> KeycloakGroup:
        if not group:
            return KeycloakGroup()
        members = await self._keycloak.list_members(group["id"])
        return KeycloakGroup(
            id=group["id"],
            path=_get_path(group),
            attributes=group.get("attributes") or {},
            members=frozenset(map(_to_account, members)),
        )

    async def _find_people(self, tenant: Tenant) -> frozenset[Account]:
        return frozenset(map(_to_account, await self._keycloak.search_accounts(tenant.spec.email_patterns)))

    async def _ensure_group(self, tenant: Tenant, observed: KeycloakGroup, changes: list[str]) -> str:
        path = build_group_path(tenant.id)
        wanted = {"name": tenant.key, "attributes": _build_attributes(tenant)}
        if not observed.id:
            changes.append(f"create group {path}")
            return await self._create(await self._get_parent_id(), wanted)
        if observed.path.rpartition("/")[0] != path.rpartition("/")[0]:
            changes.append(f"move group {observed.path} to {path}")
            await self._keycloak.move_group(observed.id, tenant.key, await self._get_parent_id())
        if observed.path != path or observed.attributes != wanted["attributes"]:
            changes.append(f"repair group {path}")
            await self._keycloak.update_group(observed.id, wanted)
        return observed.id

    async def _ensure_admins(
        self, tenant: Tenant, group_id: str, observed: KeycloakGroup, changes: list[str]
    ) -> str:
        wanted = {"name": ADMINS, "attributes": _build_attributes(tenant)}
        if not observed.id:
            changes.append("create sub-group admins")
            return await self._create(group_id, wanted)
        if observed.attributes != wanted["attributes"]:
            changes.append("repair sub-group admins")
            await self._keycloak.update_group(observed.id, wanted)
        return observed.id

    async def _ensure_members(
        self, group_id: str, wanted: Iterable[Account], present: Iterable[Account], changes: list[str]
    ) -> None:
        to_add, to_remove = plan_members(wanted, present)
        await asyncio.gather(*(self._keycloak.add_member(person.id, group_id) for person in to_add))
        await asyncio.gather(*(self._keycloak.remove_member(person.id, group_id) for person in to_remove))
        changes.extend(f"add user {person.id}" for person in to_add)
        changes.extend(f"remove user {person.id}" for person in to_remove)

    async def _create(self, parent_id: str, representation: dict[str, Any]) -> str:
        group = await self._keycloak.create_group(parent_id, representation)
        if group is None:
            raise BackendUnavailable(
                "keycloak", "create-group", f"{representation['name']} was created concurrently", 0.1
            )
        return str(group["id"])

    async def _get_parent_id(self) -> str:
        """Return the id of the parent of all tenants' groups; create the group when it is absent."""
        existing = await self._keycloak.get_group_by_path(f"/{REALM_PARENT_GROUP}")
        parent = existing or await self._keycloak.create_group(None, {"name": REALM_PARENT_GROUP})
        # Another client created the group between the two calls.
        parent = parent or await self._keycloak.get_group_by_path(f"/{REALM_PARENT_GROUP}")
        if not parent:
            raise BackendUnavailable(
                "keycloak", "create-group", f"/{REALM_PARENT_GROUP} cannot be created yet"
            )
        return str(parent["id"])


def _build_attributes(tenant: Tenant) -> dict[str, list[str]]:
    """Return the attributes of both groups. Access tokens carry the uid, which binds them to this Tenant."""
    return {
        "tenant": [tenant.id],
        TENANT_UID_ATTRIBUTE: [tenant.metadata.uid],
        "managed-by": ["tenantry"],
    }


def _get_path(group: dict[str, Any]) -> str:
    return str(group["path"])


def _to_account(user: dict[str, Any]) -> Account:
    return Account(id=user["id"], email=user.get("email", ""))
