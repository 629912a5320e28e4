"""Tests of the client of Keycloak's admin API: login, pagination and errors."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs

import httpx
import pytest
import stamina
from servicekit.errors import BackendRefused, BackendUnavailable
from servicekit.keycloak import PAGE_SIZE, KeycloakAdmin, classify
from servicekit.remote import FailureClass

from tests.support.fakes.keycloak_server import FakeKeycloakServer

REALM = "http://keycloak/realms/tenantry"
ADMIN = "http://keycloak/admin/realms/tenantry"


@pytest.fixture
def server() -> FakeKeycloakServer:
    return FakeKeycloakServer([{"id": str(number)} for number in range(250)])


@pytest.fixture
async def keycloak(server: FakeKeycloakServer) -> AsyncIterator[KeycloakAdmin]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        yield KeycloakAdmin("http://keycloak/", "tenantry", "file-sync", "secret", http)


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


async def test_the_client_logs_in_and_calls_its_realm(
    keycloak: KeycloakAdmin, server: FakeKeycloakServer
) -> None:
    server.responses = [httpx.Response(200, json={"id": "1"})]
    assert await keycloak.get("group", "/groups/1") == {"id": "1"}
    assert keycloak.realm == "tenantry"
    (login,), (request,) = server.logins, server.requests
    assert parse_qs(login.content.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["file-sync"],
        "client_secret": ["secret"],
    }
    assert str(login.url) == f"{REALM}/protocol/openid-connect/token"
    assert (request.method, str(request.url)) == ("GET", f"{ADMIN}/groups/1")
    assert request.headers["authorization"] == "Bearer t1"


async def test_a_list_is_read_in_pages(keycloak: KeycloakAdmin, server: FakeKeycloakServer) -> None:
    ids = [user["id"] async for user in keycloak.list_all("users", "/users", {"q": "a"})]
    assert ids == [str(number) for number in range(250)]
    assert {request.method for request in server.requests} == {"GET"}
    assert [dict(request.url.params) for request in server.requests] == [
        {"q": "a", "first": str(first), "max": str(PAGE_SIZE)} for first in (0, 100, 200)
    ]


async def test_an_absent_object_is_none(keycloak: KeycloakAdmin, server: FakeKeycloakServer) -> None:
    server.responses = [httpx.Response(404), httpx.Response(404), httpx.Response(409)]
    assert await keycloak.get("group", "/groups/1") is None
    assert [user async for user in keycloak.list_all("members", "/groups/1/members", {})] == []
    assert await keycloak.send("create", "POST", "/groups", absent=409) is None


async def test_a_call_sends_its_body(keycloak: KeycloakAdmin, server: FakeKeycloakServer) -> None:
    server.responses = [httpx.Response(201)]
    await keycloak.send("create", "POST", "/groups", json={"name": "a"})
    (request,) = server.requests
    assert (request.method, request.content) == ("POST", b'{"name":"a"}')


async def test_a_refusal_is_permanent_and_names_the_call(
    keycloak: KeycloakAdmin, server: FakeKeycloakServer
) -> None:
    server.responses = [httpx.Response(403)]
    with pytest.raises(BackendRefused) as refused:
        await keycloak.get("group", "/groups/1")
    assert (refused.value.system, refused.value.operation) == ("keycloak", "group")
    server.responses = [httpx.Response(403)]
    with pytest.raises(BackendRefused) as refused:
        [user async for user in keycloak.list_all("users", "/users", {})]
    assert refused.value.operation == "users"
    assert len(server.requests) == 2


async def test_an_outage_is_reported_after_retries(
    keycloak: KeycloakAdmin, server: FakeKeycloakServer
) -> None:
    server.responses = [httpx.Response(500), httpx.Response(503)]
    with pytest.raises(BackendUnavailable):
        await keycloak.get("group", "/groups/1")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "failure_class"),
    [
        (400, FailureClass.PERMANENT), (401, FailureClass.BUSY), (403, FailureClass.PERMANENT),
        (404, FailureClass.PERMANENT), (408, FailureClass.BUSY), (409, FailureClass.BUSY),
        (429, FailureClass.BUSY), (499, FailureClass.PERMANENT), (500, FailureClass.TRANSIENT),
        (503, FailureClass.TRANSIENT),
    ],
)  # fmt: skip
def test_statuses_are_classified(status: int, failure_class: FailureClass) -> None:
    request = httpx.Request("GET", ADMIN)
    response = httpx.Response(status, request=request)
    assert classify(httpx.HTTPStatusError("", request=request, response=response)) is failure_class


def test_a_broken_connection_is_transient_and_a_bug_is_raised() -> None:
    assert classify(httpx.ConnectError("refused")) is FailureClass.TRANSIENT
    assert classify(ValueError("no JSON")) is None
