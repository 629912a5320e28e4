"""A person is told which tenant the token proves; programs of ours ask for it instead of reading tokens."""

import pytest

from .conftest import World


@pytest.mark.parametrize(("kind", "admin"), [("person", False), ("admin", True)])
async def test_a_person_is_told_the_tenant_and_its_personas(world: World, kind: str, admin: bool) -> None:
    response = await world.get("/v1/me", as_=f"Bearer {kind}-tenanta")
    assert response.status_code == 200
    assert response.json() == {
        "tenant": "tenant-tenanta",
        "tenantUid": "uid-tenanta",
        "displayName": "tenanta",
        "admin": admin,
        "personas": [{"id": "finance", "displayName": "Finance"}],
    }
