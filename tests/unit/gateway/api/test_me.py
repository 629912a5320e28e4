"""Test of ``GET /v1/me``, which other services call instead of parsing tokens."""

import pytest

from .conftest import GatewayHarness


@pytest.mark.parametrize(("kind", "admin"), [("person", False), ("admin", True)])
async def test_me_returns_the_tenant_and_its_personas(
    harness: GatewayHarness, kind: str, admin: bool
) -> None:
    response = await harness.get("/v1/me", as_=f"Bearer {kind}-tenanta")
    assert response.status_code == 200
    assert response.json() == {
        "tenant": "tenant-tenanta",
        "tenantUid": "uid-tenanta",
        "displayName": "tenanta",
        "admin": admin,
        "personas": [{"id": "finance", "displayName": "Finance"}],
    }
