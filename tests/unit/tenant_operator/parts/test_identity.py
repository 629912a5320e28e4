"""Tests of the attributes of a tenant's groups in Keycloak."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from tenant_operator.parts.identity import IdentityPart, IdentityState, KeycloakGroup

from tests.support.tenants.manifests import make_tenant

if TYPE_CHECKING:
    from tenant_operator.clients.keycloak import Keycloak

TENANT = make_tenant("tenantb", identity={"emails": ["*@tenantb.example"]})


class EmptyRealm:
    """Keycloak client of a realm without groups; it records created and updated groups."""

    realm = "tenantry"

    def __init__(self, groups: dict[str, dict[str, Any]]) -> None:
        self.groups = groups

    async def get_group_by_path(self, path: str) -> None:
        return None

    async def search_accounts(self, patterns: Sequence[str]) -> list[dict[str, Any]]:
        return []

    async def create_group(self, parent: str | None, wanted: dict[str, Any]) -> dict[str, Any]:
        self.groups[wanted["name"]] = wanted
        return {"id": f"id of {wanted['name']}"}

    async def update_group(self, group_id: str, wanted: dict[str, Any]) -> None:
        self.groups[wanted["name"]] = wanted


async def test_both_groups_have_the_uid_of_the_tenant() -> None:
    groups: dict[str, dict[str, Any]] = {}
    part = IdentityPart(cast("Keycloak", EmptyRealm(groups)))
    await part.ensure(TENANT, await part.observe(TENANT))
    for name in ("tenant-tenantb", "admins"):
        assert groups[name]["attributes"]["tenant-uid"] == ["uid-tenantb"], name


async def test_groups_of_an_earlier_tenant_get_the_new_uid() -> None:
    groups: dict[str, dict[str, Any]] = {}
    part = IdentityPart(cast("Keycloak", EmptyRealm(groups)))
    path, old = "/tenants/tenant-tenantb", {"tenant-uid": ["uid of an earlier Tenant"]}
    observed = IdentityState(KeycloakGroup("1", path, old), KeycloakGroup("2", f"{path}/admins", old))
    await part.ensure(TENANT, observed)
    for name in ("tenant-tenantb", "admins"):
        assert groups[name]["attributes"]["tenant-uid"] == ["uid-tenantb"], name
