"""Who gets into a tenant's group, whatever Keycloak's search brings up."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from tenant_operator.parts.identity import Group, IdentityPart, IdentityState

from tests.support.tenants import make_tenant

if TYPE_CHECKING:
    from tenant_operator.parts.keycloak import Keycloak

TENANT = make_tenant("tenantb", identity={"emails": ["*@tenantb.example"]})


class Realm:
    """A Keycloak whose search is more generous than it was asked to be."""

    def __init__(self, *users: dict[str, Any]) -> None:
        self._users = list(users)

    async def group_by_path(self, path: str) -> None:
        return None

    async def verified_users(self, term: str) -> list[dict[str, Any]]:
        return self._users


def user(email: str, **more: Any) -> dict[str, Any]:
    return {"id": f"id of {email}", "email": email, "emailVerified": True, **more}


async def people_of(*users: dict[str, Any]) -> set[str]:
    part = IdentityPart(cast("Keycloak", Realm(*users)))
    return {person.email for person in (await part.observe(TENANT)).people}


class EmptyRealm(Realm):
    """A realm in which every group is made as it was asked for."""

    realm = "tenantry"

    def __init__(self, groups: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.groups = groups

    async def create_group(self, parent: str | None, wanted: dict[str, Any]) -> dict[str, Any]:
        self.groups[wanted["name"]] = wanted
        return {"id": f"id of {wanted['name']}"}

    async def update_group(self, group_id: str, wanted: dict[str, Any]) -> None:
        self.groups[wanted["name"]] = wanted


async def test_both_groups_carry_the_uid_of_the_tenant() -> None:
    groups: dict[str, dict[str, Any]] = {}
    part = IdentityPart(cast("Keycloak", EmptyRealm(groups)))
    await part.ensure(TENANT, await part.observe(TENANT))
    for name in ("tenant-tenantb", "admins"):
        assert groups[name]["attributes"]["tenant-uid"] == ["uid-tenantb"], name


async def test_groups_of_an_earlier_tenant_of_the_name_are_given_the_new_uid() -> None:
    groups: dict[str, dict[str, Any]] = {}
    part = IdentityPart(cast("Keycloak", EmptyRealm(groups)))
    path, old = "/tenants/tenant-tenantb", {"tenant-uid": ["uid of an earlier life"]}
    observed = IdentityState(Group("1", path, old), Group("2", f"{path}/admins", old))
    await part.ensure(TENANT, observed)
    for name in ("tenant-tenantb", "admins"):
        assert groups[name]["attributes"]["tenant-uid"] == ["uid-tenantb"], name


async def test_who_matches_and_is_verified_belongs() -> None:
    assert await people_of(user("diana@tenantb.example")) == {"diana@tenantb.example"}


@pytest.mark.parametrize(
    "stranger",
    [
        user("diana@tenantb.example", emailVerified=False),
        {"id": "1", "email": "diana@tenantb.example"},
        user("diana@tenantb.example.evil.example"),
        user("diana@nottenantb.example"),
        {"id": "2", "emailVerified": True},
    ],
    ids=["not verified", "verified unknown", "only begins alike", "only ends alike", "no address"],
)
async def test_whom_the_search_finds_but_the_tenant_does_not_claim_stays_out(
    stranger: dict[str, Any],
) -> None:
    assert await people_of(stranger, user("ann@tenantb.example")) == {"ann@tenantb.example"}
