"""Tests of the client of Keycloak's admin API: login, paging, and classification of statuses."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from servicekit.errors import BackendRefused, BackendUnavailable
from tenant_operator.clients.keycloak import Keycloak

from tests.support.fakes.keycloak_server import FakeKeycloakServer


def make_user(email: str, **more: Any) -> dict[str, Any]:
    return {"id": f"id of {email}", "email": email, "emailVerified": True, "enabled": True, **more}


@pytest.fixture
def server() -> FakeKeycloakServer:
    return FakeKeycloakServer([make_user(f"u{number}@a.example") for number in range(250)])


@pytest.fixture
async def keycloak(server: FakeKeycloakServer) -> AsyncIterator[Keycloak]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        yield Keycloak("http://keycloak/", "tenantry", "operator", "secret", http)


async def test_one_login_serves_many_calls(keycloak: Keycloak, server: FakeKeycloakServer) -> None:
    await keycloak.list_members("g")
    await keycloak.list_members("g")
    assert len(server.logins) == 1
    assert server.requests[0].headers["authorization"] == "Bearer t1"


async def test_a_token_is_renewed_before_its_end(keycloak: Keycloak, server: FakeKeycloakServer) -> None:
    server.lifetime = 10  # within the margin from the start
    await keycloak.get_group("g")
    await keycloak.get_group("g")
    assert len(server.logins) == 2


async def test_a_revoked_token_is_replaced_and_the_call_repeated(
    keycloak: Keycloak, server: FakeKeycloakServer
) -> None:
    server.responses = [httpx.Response(401)]
    assert len(await keycloak.list_members("g")) == 250
    assert len(server.logins) == 2


async def test_long_lists_are_read_in_pages_of_a_hundred(
    keycloak: Keycloak, server: FakeKeycloakServer
) -> None:
    assert len(await keycloak.search_accounts(["*@a.example"])) == 250
    assert [request.url.params["first"] for request in server.requests] == ["0", "100", "200"]
    assert {request.url.params["emailVerified"] for request in server.requests} == {"true"}


@pytest.mark.parametrize(
    "other_user",
    [
        make_user("diana@a.example", emailVerified=False),
        make_user("diana@a.example", enabled=False),
        {"id": "1", "email": "diana@a.example", "enabled": True},
        {"id": "2", "email": "diana@a.example", "emailVerified": True},
        make_user("diana@a.example.evil.example"),
        make_user("diana@nota.example"),
        {"id": "3", "emailVerified": True, "enabled": True},
        {"id": "4", "email": None, "emailVerified": True, "enabled": True},
    ],
    ids=[
        "not verified", "disabled", "verified unknown", "enabled unknown", "only begins alike",
        "only ends alike", "no address", "null",
    ],
)  # fmt: skip
async def test_an_account_that_matches_no_pattern_is_ignored(
    other_user: dict[str, Any], keycloak: Keycloak, server: FakeKeycloakServer
) -> None:
    server.users = [other_user, make_user("ann@a.example")]
    assert await keycloak.search_accounts(["*@a.example", "ann@*.example"]) == [make_user("ann@a.example")]


async def test_an_absent_object_is_returned_as_a_value(
    keycloak: Keycloak, server: FakeKeycloakServer
) -> None:
    server.responses = [httpx.Response(404), httpx.Response(404), httpx.Response(409)]
    assert await keycloak.get_group_by_path("/tenants/tenant-x") is None
    await keycloak.delete_group("gone")
    assert await keycloak.create_group(None, {"name": "tenants"}) is None


async def test_a_busy_server_is_retried_and_a_refusal_is_not(
    keycloak: Keycloak, server: FakeKeycloakServer
) -> None:
    server.responses = [httpx.Response(503)]
    assert await keycloak.list_members("g")
    server.responses = [httpx.Response(403)]
    asked = len(server.requests)
    with pytest.raises(BackendRefused):
        await keycloak.list_members("g")
    assert len(server.requests) == asked + 1


async def test_a_server_that_does_not_recover_is_unavailable(
    keycloak: Keycloak, server: FakeKeycloakServer
) -> None:
    server.responses = [httpx.Response(503)] * 3
    with pytest.raises(BackendUnavailable):
        await keycloak.list_members("g")
