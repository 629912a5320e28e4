"""Who gets into a tenant's group, whatever Keycloak's search brings up."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from tenant_operator.parts.identity import IdentityPart

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
