"""The REST client: logging in, and what each status means. Real n8n: integration."""

from collections.abc import AsyncIterator

import httpx
import pytest
from n8n_install.n8n import N8n
from servicekit.errors import RemoteRefused, RemoteUnavailable


class Server:
    """n8n as far as these tests need it."""

    def __init__(self) -> None:
        self.logins = 0
        self.login_status = 200
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/rest/login":
            self.logins += 1
            cookie = f"n8n-auth=session-{self.logins}; Path=/; HttpOnly; Secure; SameSite=Lax"
            return httpx.Response(self.login_status, headers={"set-cookie": cookie}, json={"data": {}})
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else httpx.Response(200, json={"data": {"id": "w"}})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def n8n(server: Server) -> AsyncIterator[N8n]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        yield N8n("http://n8n/", "owner@tenantry.example", "password", http)


async def test_one_login_serves_many_calls_and_its_cookie_goes_along_without_https(
    n8n: N8n, server: Server
) -> None:
    await n8n.workflow("w")
    assert await n8n.workflow("w") == {"id": "w"}
    assert server.logins == 1
    assert [request.headers["cookie"] for request in server.requests] == ["n8n-auth=session-1"] * 2


async def test_a_session_that_died_is_replaced_and_the_call_made_again(n8n: N8n, server: Server) -> None:
    server.answers = [httpx.Response(401, json={"message": "Unauthorized"})]
    assert await n8n.workflow("w") == {"id": "w"}
    assert [request.headers["cookie"] for request in server.requests] == [
        "n8n-auth=session-1",
        "n8n-auth=session-2",
    ]


async def test_a_wrong_password_is_tried_once(n8n: N8n, server: Server) -> None:
    server.login_status = 401
    with pytest.raises(RemoteRefused, match="e-mail address or password is wrong"):
        await n8n.workflow("w")
    assert server.logins == 1


async def test_a_workflow_that_is_not_there_is_none(n8n: N8n, server: Server) -> None:
    server.answers = [httpx.Response(404, json={"message": "Could not load the workflow"})]
    assert await n8n.workflow("w") is None


async def test_a_workflow_that_an_earlier_attempt_has_made_is_fine(n8n: N8n, server: Server) -> None:
    server.answers = [
        httpx.Response(502),
        httpx.Response(400, json={"message": "Workflow with id w exists already."}),
    ]
    await n8n.create("w", {"name": "W"})
    assert len(server.requests) == 2


async def test_any_other_refusal_is_told_in_n8ns_words(n8n: N8n, server: Server) -> None:
    server.answers = [httpx.Response(400, json={"message": "Workflow name is required"})]
    with pytest.raises(RemoteRefused, match="400: Workflow name is required"):
        await n8n.create("w", {})
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_passes_is_tried_again(n8n: N8n, server: Server, status: int) -> None:
    server.answers = [httpx.Response(status, text="<html>")]
    await n8n.publish("w", "v")
    assert len(server.requests) == 2


async def test_an_n8n_that_stays_away_is_told(n8n: N8n, server: Server) -> None:
    server.answers = [httpx.Response(503) for _ in range(5)]
    with pytest.raises(RemoteUnavailable):
        await n8n.workflow("w")


async def test_readiness_is_asked_without_logging_in(n8n: N8n, server: Server) -> None:
    server.answers = [httpx.Response(503), httpx.Response(200)]
    assert [await n8n.ready(), await n8n.ready()] == [False, True]
    assert not server.logins


async def test_nobody_at_the_address_is_not_ready() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        assert not await N8n("http://n8n", "a@b", "p", http).ready()
