"""Tests of the client of Keycloak's admin API: login, pagination and errors."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs

import httpx
import pytest
import stamina
from servicekit.errors import RemoteRefused, RemoteUnavailable
from servicekit.keycloak import PAGE, KeycloakAdmin, classify
from servicekit.remote import Fault

REALM = "http://keycloak/realms/tenantry"
ADMIN = "http://keycloak/admin/realms/tenantry"


class Server:
    """Fake Keycloak with 250 users and at most ten responses."""

    def __init__(self) -> None:
        self.logins: list[httpx.Request] = []
        self.requests: list[httpx.Request] = []
        self.statuses: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and str(request.url) == f"{REALM}/protocol/openid-connect/token":
            self.logins.append(request)
            return httpx.Response(200, json={"access_token": "t1", "expires_in": 60})
        self.requests.append(request)
        assert len(self.requests) <= 10
        if self.statuses:
            return httpx.Response(self.statuses.pop(0), json={"id": "1"})
        first, most = int(request.url.params["first"]), int(request.url.params["max"])
        return httpx.Response(200, json=[{"id": str(n)} for n in range(250)][first : first + most])


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def keycloak(server: Server) -> AsyncIterator[KeycloakAdmin]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        yield KeycloakAdmin("http://keycloak/", "tenantry", "file-sync", "secret", http)


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


async def test_the_client_logs_in_and_calls_its_realm(keycloak: KeycloakAdmin, server: Server) -> None:
    server.statuses = [200]
    assert await keycloak.get("group", "/groups/1") == {"id": "1"}
    assert keycloak.realm == "tenantry"
    (login,), (request,) = server.logins, server.requests
    assert parse_qs(login.content.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["file-sync"],
        "client_secret": ["secret"],
    }
    assert (request.method, str(request.url)) == ("GET", f"{ADMIN}/groups/1")
    assert request.headers["authorization"] == "Bearer t1"


async def test_a_list_is_read_in_pages(keycloak: KeycloakAdmin, server: Server) -> None:
    found = [each["id"] async for each in keycloak.list_all("users", "/users", {"q": "a"})]
    assert found == [str(number) for number in range(250)]
    assert {request.method for request in server.requests} == {"GET"}
    assert [dict(request.url.params) for request in server.requests] == [
        {"q": "a", "first": str(first), "max": str(PAGE)} for first in (0, 100, 200)
    ]


async def test_an_absent_object_is_none(keycloak: KeycloakAdmin, server: Server) -> None:
    server.statuses = [404, 404, 409]
    assert await keycloak.get("group", "/groups/1") is None
    assert [each async for each in keycloak.list_all("members", "/groups/1/members", {})] == []
    assert await keycloak.send("create", "POST", "/groups", absent=409) is None


async def test_a_call_sends_its_body(keycloak: KeycloakAdmin, server: Server) -> None:
    server.statuses = [201]
    await keycloak.send("create", "POST", "/groups", json={"name": "a"})
    (request,) = server.requests
    assert (request.method, request.content) == ("POST", b'{"name":"a"}')


async def test_a_refusal_is_permanent_and_names_the_call(keycloak: KeycloakAdmin, server: Server) -> None:
    server.statuses = [403]
    with pytest.raises(RemoteRefused) as refused:
        await keycloak.get("group", "/groups/1")
    assert (refused.value.system, refused.value.operation) == ("keycloak", "group")
    server.statuses = [403]
    with pytest.raises(RemoteRefused) as refused:
        [each async for each in keycloak.list_all("users", "/users", {})]
    assert refused.value.operation == "users"
    assert len(server.requests) == 2


async def test_an_outage_is_reported_after_retries(keycloak: KeycloakAdmin, server: Server) -> None:
    server.statuses = [500, 503]
    with pytest.raises(RemoteUnavailable):
        await keycloak.get("group", "/groups/1")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.PERMANENT), (401, Fault.BUSY), (403, Fault.PERMANENT), (404, Fault.PERMANENT),
        (408, Fault.BUSY), (409, Fault.BUSY), (429, Fault.BUSY), (499, Fault.PERMANENT),
        (500, Fault.TRANSIENT), (503, Fault.TRANSIENT),
    ],
)  # fmt: skip
def test_statuses_are_classified(status: int, fault: Fault) -> None:
    request = httpx.Request("GET", ADMIN)
    response = httpx.Response(status, request=request)
    assert classify(httpx.HTTPStatusError("", request=request, response=response)) is fault


def test_a_broken_connection_is_transient_and_a_bug_is_raised() -> None:
    assert classify(httpx.ConnectError("refused")) is Fault.TRANSIENT
    assert classify(ValueError("no JSON")) is None
