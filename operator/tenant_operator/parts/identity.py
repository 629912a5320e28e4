"""The tenant's group in Keycloak, its sub-group of administrators, and exactly the right people in both.

Who belongs is what the Tenant says: everyone whose verified e-mail matches, and nobody else. So a member
put in by hand is taken out again; who shall belong must stand in ``spec.identity``.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from servicekit.errors import RemoteUnavailable
from tenancy.emails import matches_any
from tenancy.model import Tenant
from tenancy.names import REALM_PARENT_GROUP, TENANT_UID_ATTRIBUTE, group_path

from ..clients.keycloak import Keycloak
from ..part import Ensured, Leftovers

__all__ = ["Group", "IdentityPart", "IdentityState", "Person", "plan_members"]

ADMINS = "admins"


@dataclass(frozen=True)
class Person:
    """A user of the realm."""

    id: str
    email: str


@dataclass(frozen=True)
class Group:
    """A group as it is; ``id`` is empty when there is none."""

    id: str = ""
    path: str = ""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    members: frozenset[Person] = frozenset()


@dataclass(frozen=True)
class IdentityState:
    """Both groups, and the people who should be in them."""

    group: Group = Group()
    admins: Group = Group()
    people: frozenset[Person] = frozenset()


def plan_members(wanted: Iterable[Person], present: Iterable[Person]) -> tuple[list[Person], list[Person]]:
    """Return who has to join and who has to leave, in a stable order."""
    want, have = {p.id: p for p in wanted}, {p.id: p for p in present}
    join = [want[key] for key in sorted(want.keys() - have.keys())]
    leave = [have[key] for key in sorted(have.keys() - want.keys())]
    return join, leave


class IdentityPart:
    """Groups in one realm.

    Parameters
    ----------
    keycloak
        The realm's admin API.
    """

    name = "identity"
    after = ""

    def __init__(self, keycloak: Keycloak) -> None:
        self._keycloak = keycloak

    async def observe(self, tenant: Tenant) -> IdentityState:
        """Find both groups with their members, and everyone who should be in them."""
        found, people = await asyncio.gather(self._find_group(tenant), self._people(tenant))
        if not found:
            return IdentityState(people=people)
        sub = await self._keycloak.group_by_path(f"{_path(found)}/{ADMINS}")
        group, admins = await asyncio.gather(self._with_members(found), self._with_members(sub))
        return IdentityState(group, admins, people)

    async def ensure(self, tenant: Tenant, observed: IdentityState) -> Ensured:
        """Make or repair both groups, then let people join and leave."""
        changes: list[str] = []
        group_id = await self._ensure_group(tenant, observed.group, changes)
        admins_id = await self._ensure_admins(tenant, group_id, observed.admins, changes)
        admins = [p for p in observed.people if matches_any(tenant.spec.identity.admins, p.email)]
        await self._ensure_members(group_id, observed.people, observed.group.members, changes)
        await self._ensure_members(admins_id, admins, observed.admins.members, changes)
        status = {"realm": self._keycloak.realm, "groupId": group_id, "groupPath": group_path(tenant.id)}
        return Ensured(changes, status)

    async def remove(self, tenant: Tenant) -> None:
        """Delete the group with its sub-group; its people stay."""
        found = await self._find_group(tenant)
        if found:
            await self._keycloak.delete_group(found["id"])

    async def count(self, tenant: Tenant) -> Leftovers:
        """Count the group, its sub-group and the members of both."""
        found = await self._find_group(tenant)
        sub = await self._keycloak.group_by_path(f"{_path(found)}/{ADMINS}") if found else None
        groups = [group for group in (found, sub) if group]
        members = await asyncio.gather(*(self._keycloak.members(group["id"]) for group in groups))
        path = group_path(tenant.id)
        return Leftovers({f"groups {path}": len(groups), f"members of {path}": sum(map(len, members))})

    async def forget(self, tenant: Tenant) -> None:
        """Do nothing: the group is no copy."""

    async def _find_group(self, tenant: Tenant) -> dict[str, Any] | None:
        """Find the group by its path, else by the id that it had: it may have been renamed or moved."""
        found = await self._keycloak.group_by_path(group_path(tenant.id))
        known = tenant.status.identity
        if found or not known:
            return found
        return await self._keycloak.group_by_id(known.group_id)

    async def _with_members(self, found: dict[str, Any] | None) -> Group:
        if not found:
            return Group()
        members = await self._keycloak.members(found["id"])
        return Group(
            id=found["id"],
            path=_path(found),
            attributes=found.get("attributes") or {},
            members=frozenset(map(_person, members)),
        )

    async def _people(self, tenant: Tenant) -> frozenset[Person]:
        return frozenset(map(_person, await self._keycloak.people(tenant.spec.email_patterns)))

    async def _ensure_group(self, tenant: Tenant, observed: Group, changes: list[str]) -> str:
        path = group_path(tenant.id)
        wanted = {"name": tenant.key, "attributes": _attributes(tenant)}
        if not observed.id:
            changes.append(f"create group {path}")
            return await self._create(await self._parent(), wanted)
        if observed.path.rpartition("/")[0] != path.rpartition("/")[0]:
            changes.append(f"move group {observed.path} to {path}")
            await self._keycloak.move_group(observed.id, tenant.key, await self._parent())
        if observed.path != path or observed.attributes != wanted["attributes"]:
            changes.append(f"repair group {path}")
            await self._keycloak.update_group(observed.id, wanted)
        return observed.id

    async def _ensure_admins(self, tenant: Tenant, group_id: str, observed: Group, changes: list[str]) -> str:
        wanted = {"name": ADMINS, "attributes": _attributes(tenant)}
        if not observed.id:
            changes.append("create sub-group admins")
            return await self._create(group_id, wanted)
        if observed.attributes != wanted["attributes"]:
            changes.append("repair sub-group admins")
            await self._keycloak.update_group(observed.id, wanted)
        return observed.id

    async def _ensure_members(
        self, group_id: str, wanted: Iterable[Person], present: Iterable[Person], changes: list[str]
    ) -> None:
        join, leave = plan_members(wanted, present)
        await asyncio.gather(*(self._keycloak.join(person.id, group_id) for person in join))
        await asyncio.gather(*(self._keycloak.leave(person.id, group_id) for person in leave))
        changes.extend(f"join user {person.id}" for person in join)
        changes.extend(f"remove user {person.id}" for person in leave)

    async def _create(self, parent_id: str, representation: dict[str, Any]) -> str:
        group = await self._keycloak.create_group(parent_id, representation)
        if group is None:
            raise RemoteUnavailable(
                "keycloak", "create-group", f"{representation['name']} appeared meanwhile", 0.1
            )
        return str(group["id"])

    async def _parent(self) -> str:
        """Return the group under which all tenants' groups lie; make it when the realm has none."""
        found = await self._keycloak.group_by_path(f"/{REALM_PARENT_GROUP}")
        made = found or await self._keycloak.create_group(None, {"name": REALM_PARENT_GROUP})
        # Lost a race: somebody made it between the two calls.
        made = made or await self._keycloak.group_by_path(f"/{REALM_PARENT_GROUP}")
        if not made:
            raise RemoteUnavailable("keycloak", "create-group", f"/{REALM_PARENT_GROUP} cannot be made yet")
        return str(made["id"])


def _attributes(tenant: Tenant) -> dict[str, list[str]]:
    """Return what both groups carry; an access token names the uid, so only this Tenant's groups prove it."""
    return {
        "tenant": [tenant.id],
        TENANT_UID_ATTRIBUTE: [tenant.metadata.uid],
        "managed-by": ["tenantry"],
    }


def _path(group: dict[str, Any]) -> str:
    return str(group["path"])


def _person(user: dict[str, Any]) -> Person:
    return Person(id=user["id"], email=user.get("email", ""))
