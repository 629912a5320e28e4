"""Tests of the event function: memberships after a login, and hints to file-sync."""

import asyncio
import logging
import sys
import types
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from webui_install.functions.tenantry_events import Event

from tests.support.open_webui.pipe import FakePipeBackends, make_problem

ME, HINTS = "/v1/me", "/v1/hints"
LOGIN = {"event": "auth.login", "source": "oauth", "subject": {"type": "user", "id": "u1"}}


@dataclass(frozen=True)
class GroupRow:
    id: str
    name: str
    uid: str = ""

    @property
    def data(self) -> dict[str, Any] | None:
        """The ``data`` field that the operator writes to a tenant's group."""
        return {"tenantry": {"tenant": "x", "uid": self.uid}} if self.uid else None


@dataclass(frozen=True)
class SessionRow:
    token: dict[str, str]
    created_at: int = 1
    provider: str = "oidc"


@dataclass
class FakeOpenWebUITables:
    """Fake of the two tables of Open WebUI that the function uses."""

    sessions: list[SessionRow] = field(default_factory=lambda: [SessionRow({"access_token": "the-token"})])
    groups: list[GroupRow] = field(
        default_factory=lambda: [
            GroupRow("a-before", "/tenants/tenant-a", "uid-before"),
            GroupRow("a", "/tenants/tenant-a", "uid-a"),
            GroupRow("aa", "/tenants/tenant-a/admins"),
            GroupRow("b", "/tenants/tenant-b", "uid-b"),
            GroupRow("not-ours", "/tenants/tenant-c"),
            GroupRow("choir", "choir"),
            GroupRow("like", "tenants/tenant-a", "uid-a"),
        ]
    )
    members: set[tuple[str, str]] = field(default_factory=set)
    writes: list[tuple[str, str]] = field(default_factory=list)

    async def get_sessions_by_user_id(self, user_id: str) -> list[SessionRow]:
        return self.sessions if user_id == "u1" else []

    async def get_all_groups(self) -> list[GroupRow]:
        return self.groups

    async def get_groups_by_member_id(self, user_id: str) -> list[GroupRow]:
        return [group for group in self.groups if (user_id, group.id) in self.members]

    async def add_users_to_group(self, group_id: str, user_ids: list[str]) -> None:
        self.writes.append(("join", group_id))
        self.members |= {(user_id, group_id) for user_id in user_ids}

    async def remove_users_from_group(self, group_id: str, user_ids: list[str]) -> None:
        self.writes.append(("leave", group_id))
        self.members -= {(user_id, group_id) for user_id in user_ids}


@pytest.fixture
def webui(monkeypatch: pytest.MonkeyPatch) -> FakeOpenWebUITables:
    """Install fakes of the modules that only Open WebUI's process has."""
    tables = FakeOpenWebUITables()
    for name, table in {"oauth_sessions": "OAuthSessions", "groups": "Groups"}.items():
        module: Any = types.ModuleType(f"open_webui.models.{name}")
        setattr(module, table, tables)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("open_webui", "open_webui.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    return tables


def make_function(backends: FakePipeBackends, **valves: Any) -> Event:
    made = Event(transport=backends)
    urls = {
        "gateway_url": "http://gateway/",
        "file_sync_url": "http://file-sync",
        "hint_secret": "the-secret",
    }
    made.valves = Event.Valves(**{**urls, **valves})
    return made


def make_me_response(tenant: str, **members: Any) -> httpx.Response:
    body = {"tenant": tenant, "tenantUid": tenant.replace("tenant-", "uid-"), "admin": False}
    return httpx.Response(200, json=body | members)


async def log_in(reply: Any, **event: Any) -> FakePipeBackends:
    backends = FakePipeBackends({ME: reply})
    await make_function(backends, login_timeout_seconds=0.1).event({**LOGIN, **event}, "auth.login")
    return backends


async def hang(_: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError("the call must be cancelled")


@pytest.mark.parametrize(
    ("was", "reply", "becomes"),
    [
        pytest.param([], make_me_response("tenant-a"), ["a"], id="first-login"),
        pytest.param(["a"], make_me_response("tenant-a"), ["a"], id="as-it-was"),
        pytest.param(["b"], make_me_response("tenant-a"), ["a"], id="moved"),
        pytest.param(["a", "b"], make_me_response("tenant-a"), ["a"], id="one-too-many"),
        pytest.param(["a", "aa"], make_me_response("tenant-a", admin=True), ["a"], id="sub-group"),
        pytest.param(["a-before"], make_me_response("tenant-a"), ["a"], id="group-of-an-earlier-tenant"),
        pytest.param(
            ["a"],
            make_me_response("tenant-a", tenantUid="uid-after"),
            [],
            id="group-of-the-tenant-not-made-yet",
        ),
        pytest.param(["not-ours"], make_me_response("tenant-c"), [], id="group-without-uid"),
        pytest.param(["b", "choir"], make_me_response("tenant-a"), ["a", "choir"], id="other-groups-stay"),
        pytest.param(["a", "b", "choir"], make_problem(403, "no-tenant"), ["choir"], id="no-tenant"),
        pytest.param(["a", "aa"], make_problem(403, "tenant-conflict"), [], id="conflict"),
        pytest.param(["b"], make_me_response("tenant-new"), [], id="group-not-made-yet"),
        pytest.param(
            ["a", "choir"], make_problem(403, "tenant-suspended"), ["a", "choir"], id="out-of-service"
        ),
        pytest.param(["a"], make_problem(503, "tenant-suspended"), [], id="another-status"),
        pytest.param(["a", "choir"], make_problem(403, "admin-only"), ["choir"], id="another-403"),
        pytest.param(["a", "b"], make_problem(401, "token-refused"), [], id="token-refused"),
        pytest.param(
            ["a"], httpx.Response(403, json=make_me_response("tenant-a").json()), [], id="403-with-a-tenant"
        ),
        pytest.param(["a"], make_problem(503, "identity-unavailable"), [], id="unavailable"),
        pytest.param(["a", "choir"], httpx.Response(502, text="<html>"), ["choir"], id="proxy"),
        pytest.param(["a"], httpx.Response(302, headers={"Location": "/"}), [], id="redirect"),
        pytest.param(["a"], httpx.Response(200, json=["?"]), [], id="odd-answer"),
        pytest.param(["a"], httpx.Response(200, json={"tenant": "tenant-a"}), [], id="without-uid"),
        pytest.param(["a"], make_me_response("tenant-a", tenantUid=None), [], id="odd-uid"),
        pytest.param(["not-ours"], make_me_response("tenant-c", tenantUid=""), [], id="empty-uid"),
        pytest.param(["a"], make_me_response("../b"), [], id="odd-tenant"),
        pytest.param(["a"], httpx.ConnectError("refused"), [], id="away"),
        pytest.param(["a", "choir"], hang, ["choir"], id="hangs"),
        pytest.param(["a"], RuntimeError("secret"), [], id="bug"),
    ],
)
async def test_a_login_sets_the_memberships_from_the_gateways_response(
    webui: FakeOpenWebUITables, was: list[str], reply: Any, becomes: list[str]
) -> None:
    others = {("u2", "a"), ("u2", "b")}
    webui.members = {("u1", group) for group in was} | others
    await log_in(reply)
    assert webui.members == {("u1", group) for group in becomes} | others


async def test_nothing_is_written_when_nothing_changes(webui: FakeOpenWebUITables) -> None:
    webui.members = {("u1", "a")}
    await log_in(make_me_response("tenant-a"))
    assert webui.writes == []


async def test_the_request_has_the_token_of_the_newest_session(webui: FakeOpenWebUITables) -> None:
    webui.sessions = [
        SessionRow({"access_token": "old"}, created_at=1),
        SessionRow({"access_token": "new"}, created_at=3),
        SessionRow({"access_token": "of a tool"}, created_at=9, provider="mcp:tool"),
    ]
    backends = await log_in(make_me_response("tenant-a"))
    assert [request.headers["Authorization"] for request in backends.requests] == ["Bearer new"]


@pytest.mark.parametrize(
    "sessions", [[], [SessionRow({})], [SessionRow({"access_token": "x"}, provider="mcp:tool")]]
)
async def test_without_a_session_all_memberships_end(
    webui: FakeOpenWebUITables, sessions: list[SessionRow]
) -> None:
    webui.sessions, webui.members = sessions, {("u1", "a")}
    backends = await log_in(make_me_response("tenant-a"))
    assert webui.members == set()
    assert not backends.requests


async def test_after_a_failed_read_of_sessions_all_memberships_end(
    webui: FakeOpenWebUITables, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raise_error(_: str) -> list[SessionRow]:
        raise RuntimeError("the database is unavailable")

    monkeypatch.setattr(webui, "get_sessions_by_user_id", raise_error)
    webui.members = {("u1", "a"), ("u1", "choir")}
    await log_in(make_me_response("tenant-a"))
    assert webui.members == {("u1", "choir")}


@pytest.mark.parametrize(
    "event", [{"source": "password"}, {"source": "api"}, {"subject": None}, {"subject": {}}]
)
async def test_other_logins_change_no_membership(webui: FakeOpenWebUITables, event: dict[str, Any]) -> None:
    webui.members = {("u1", "a")}
    await log_in(make_problem(403, "no-tenant"), **event)
    assert webui.members == {("u1", "a")}


@pytest.mark.parametrize(
    ("name", "hints"),
    [
        ("file.uploaded", 1),
        ("file.deleted_all", 1),
        ("knowledge.file.added", 1),
        ("knowledge.deleted", 1),
        ("chat.created", 1),
        ("chat.deleted", 1),
        ("message.created", 1),
        ("message.updated", 0),
        ("auth.login", 0),
        ("user.created", 0),
        ("profile.updated", 0),
    ],
)
async def test_events_that_may_change_files_send_a_hint(name: str, hints: int) -> None:
    backends = FakePipeBackends({HINTS: httpx.Response(202)})
    await make_function(backends).event({"event": name, "source": "api"}, name)
    assert backends.paths == [HINTS] * hints
    for request in backends.requests:
        assert (request.method, request.headers["X-Tenantry-Hint"], request.content) == (
            "POST",
            "the-secret",
            b"",
        )


async def test_hints_during_a_request_are_coalesced() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def answer_slowly(_: httpx.Request) -> httpx.Response:
        arrived.set()
        await go_on.wait()
        return httpx.Response(202)

    backends = FakePipeBackends({HINTS: answer_slowly})
    handler = make_function(backends)
    first = asyncio.create_task(handler.event({}, "file.uploaded"))
    await arrived.wait()
    await asyncio.gather(*(handler.event({}, "file.uploaded") for _ in range(100)))
    go_on.set()
    await first
    assert backends.paths == [HINTS] * 2


@pytest.mark.parametrize("reply", [httpx.ConnectError("refused"), httpx.Response(401), hang])
async def test_failed_hint_is_dropped_and_the_next_is_sent(reply: Any) -> None:
    backends = FakePipeBackends({HINTS: reply})
    handler = make_function(backends, hint_timeout_seconds=0.05)
    await handler.event({}, "file.uploaded")
    backends.replies[HINTS] = httpx.Response(202)
    await handler.event({}, "file.uploaded")
    assert backends.paths == [HINTS] * 2


async def test_without_file_sync_no_hint_is_sent() -> None:
    backends = FakePipeBackends()
    await make_function(backends, file_sync_url="").event({}, "file.uploaded")
    assert not backends.requests


@pytest.mark.parametrize(
    "reply", [make_me_response("tenant-a"), make_problem(403, "no-tenant"), RuntimeError("the-token")]
)
async def test_tokens_are_not_logged(
    webui: FakeOpenWebUITables, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    webui.members = {("u1", "b")}
    await log_in(reply)
    assert caplog.records
    assert "the-token" not in caplog.text
