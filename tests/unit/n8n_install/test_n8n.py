"""Tests of n8n's REST client: sessions and classification of statuses. Integration tests use a real n8n."""

from collections.abc import AsyncIterator

import httpx
import pytest
from n8n_install.n8n import N8n
from servicekit.errors import BackendRefused, BackendUnavailable


class FakeN8nServer:
    """Fake of n8n's login and REST API."""

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
def server() -> FakeN8nServer:
    return FakeN8nServer()


@pytest.fixture
async def n8n(server: FakeN8nServer) -> AsyncIterator[N8n]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        yield N8n("http://n8n/", "owner@tenantry.example", "password", http)


async def test_session_cookie_is_reused_without_https(n8n: N8n, server: FakeN8nServer) -> None:
    await n8n.get_workflow("w")
    assert await n8n.get_workflow("w") == {"id": "w"}
    assert server.logins == 1
    assert [request.headers["cookie"] for request in server.requests] == ["n8n-auth=session-1"] * 2


async def test_expired_session_is_renewed_and_the_call_retried(n8n: N8n, server: FakeN8nServer) -> None:
    server.answers = [httpx.Response(401, json={"message": "Unauthorized"})]
    assert await n8n.get_workflow("w") == {"id": "w"}
    assert [request.headers["cookie"] for request in server.requests] == [
        "n8n-auth=session-1",
        "n8n-auth=session-2",
    ]


async def test_wrong_password_is_not_retried(n8n: N8n, server: FakeN8nServer) -> None:
    server.login_status = 401
    with pytest.raises(BackendRefused, match="e-mail address or password is wrong"):
        await n8n.get_workflow("w")
    assert server.logins == 1


async def test_a_missing_workflow_is_returned_as_none(n8n: N8n, server: FakeN8nServer) -> None:
    server.answers = [httpx.Response(404, json={"message": "Could not load the workflow"})]
    assert await n8n.get_workflow("w") is None


async def test_workflow_created_by_an_earlier_attempt_is_accepted(n8n: N8n, server: FakeN8nServer) -> None:
    server.answers = [
        httpx.Response(502),
        httpx.Response(400, json={"message": "Workflow with id w exists already."}),
    ]
    await n8n.create_workflow("w", {"name": "W"})
    assert len(server.requests) == 2


async def test_other_refusals_quote_n8ns_message(n8n: N8n, server: FakeN8nServer) -> None:
    server.answers = [httpx.Response(400, json={"message": "Workflow name is required"})]
    with pytest.raises(BackendRefused, match="400: Workflow name is required"):
        await n8n.create_workflow("w", {})
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_transient_statuses_are_retried(n8n: N8n, server: FakeN8nServer, status: int) -> None:
    server.answers = [httpx.Response(status, text="<html>")]
    await n8n.publish_workflow("w", "v")
    assert len(server.requests) == 2


async def test_persistent_503_raises_remote_unavailable(n8n: N8n, server: FakeN8nServer) -> None:
    server.answers = [httpx.Response(503) for _ in range(5)]
    with pytest.raises(BackendUnavailable):
        await n8n.get_workflow("w")


async def test_readiness_check_does_not_log_in(n8n: N8n, server: FakeN8nServer) -> None:
    server.answers = [httpx.Response(503), httpx.Response(200)]
    assert [await n8n.is_ready(), await n8n.is_ready()] == [False, True]
    assert not server.logins


async def test_connection_refused_is_not_ready() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        assert not await N8n("http://n8n", "a@b", "p", http).is_ready()
