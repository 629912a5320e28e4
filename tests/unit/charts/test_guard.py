"""Tests of the guard in front of Open WebUI: refused requests, and requests that pass."""

import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request, UploadFile
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from tenantry_local.parts.open_webui import GUARD, MAX_FILE_MIB
from webui_install.functions import tenantry

BASE = "kb"
"""A persona's knowledge base: the platform owns it, and the tenant's members may write to it."""
PRIVATE = "anns-own"
"""A knowledge base that Ann created for herself."""


def _load(file: Path) -> ModuleType:
    """Load the guard's module from source: a normal import would write bytecode into the chart."""
    module = ModuleType("guard")
    exec(compile(file.read_text(), file, "exec"), module.__dict__)
    return module


guard = _load(GUARD)


GUIDES = Path(__file__).parents[3] / "docs" / "guides"

NO_MESSAGES = ("Delete all contents inside this directory", "Answer as the finance lead")
"""Long quotes in the guides that are not messages: an option of Open WebUI, and an example of
instructions."""


@pytest.mark.parametrize("page", ["users.md", "tenant-administrators.md"])
def test_a_guide_quotes_the_messages_of_the_guard_and_the_pipe(page: str) -> None:
    quotes = re.findall(r"(?<!\*)\*([^*`]+)\*(?!\*)", (GUIDES / page).read_text())
    long = [quote.rstrip(" .") for quote in quotes if len(quote.split()) >= 5]
    refusals = [
        each for name, each in vars(guard).items() if name.isupper() and isinstance(each, str) and " " in each
    ]
    texts = [*refusals, *tenantry.MESSAGES.values(), *tenantry.FILE_STATES.values(), *NO_MESSAGES]
    assert len(long) >= 3
    assert [quote for quote in long if not any(text.startswith(quote) for text in texts)] == []


def test_loading_the_guard_adds_no_file_next_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "guard.py"
    file.write_text(GUARD.read_text())
    _load(file)
    assert list(tmp_path.iterdir()) == [file]


@dataclass
class FakeUser:
    """A signed-in user."""

    id: str
    role: str


@dataclass
class FakeStore:
    """In-memory store with the files and directories of two users."""

    files: dict[str, str] = field(default_factory=lambda: {"of-ann": "ann", "of-bob": "bob"})
    """Owner of each file."""
    tokens: dict[str, str] = field(
        default_factory=lambda: {"ann": "member", "dora": "admin", "eve": "admin-b"}
    )
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)

    async def get_knowledge_owner(self, knowledge_id: str) -> str | None:
        return {BASE: "platform", PRIVATE: "ann"}.get(knowledge_id)

    async def get_tenants(self, knowledge_id: str) -> set[str]:
        return {"tenant-a"} if knowledge_id == BASE else set()

    async def can_write(self, knowledge_id: str, user_id: str) -> bool:
        return user_id in {BASE: {"ann", "bob", "dora"}, PRIVATE: {"ann"}}.get(knowledge_id, set())

    async def get_file_owners(self, file_ids: Iterable[str]) -> dict[str, str]:
        return {each: self.files[each] for each in file_ids if each in self.files}

    async def get_filenames(self, file_ids: Iterable[str]) -> dict[str, str]:
        return {each: f"{each}.md" for each in file_ids if each in self.files}

    async def get_directory(self, _knowledge_id: str, directory_id: str) -> tuple[set[str], set[str]]:
        return {
            "ann-only": ({"ann"}, {"of-ann"}),
            "mixed": ({"ann"}, {"of-ann", "of-bob"}),
            "bobs-empty": ({"bob"}, set[str]()),
            "bobs": ({"bob"}, {"of-bob"}),
            "bobs-below": ({"bob"}, {"of-bob"}),
        }[directory_id]

    async def get_parent_directory(self, directory_id: str) -> str | None:
        return {"bobs-below": "anns"}.get(directory_id)

    async def list_locations(self, file_id: str) -> list[tuple[str, str | None]]:
        return [(PRIVATE, None), (BASE, None)] if file_id == "of-ann" else []

    async def get_name_owners(
        self, knowledge_id: str, directory_id: str | None, filenames: Iterable[str]
    ) -> dict[str, set[str]]:
        taken = {
            (BASE, None): {"of-ann.md": {"ann"}, "plan.md": {"bob"}, "both.md": {"ann", "bob"}},
            (BASE, "anns"): {"of-bob.md": {"ann"}},
        }.get((knowledge_id, directory_id), {})
        return {each: set(taken[each]) for each in filenames if each in taken}

    async def set_metadata(self, file_ids: Iterable[str], values: dict[str, str]) -> None:
        for file_id in file_ids:
            self.metadata.setdefault(file_id, {}).update(values)

    async def get_access_token(self, _request: Request, user_id: str) -> str:
        return self.tokens.get(user_id, "")

    async def get_gateway_url(self) -> str:
        return "http://gateway/"

    async def list_groups(self, user_id: str) -> set[str]:
        return {"ann": {"/tenants/tenant-a", "staff"}, "nemo": {"staff", "tenants"}}.get(user_id, set())


def respond_as_gateway(request: httpx.Request) -> httpx.Response:
    """Return the gateway's response to ``GET /v1/me``."""
    assert request.url == "http://gateway/v1/me"
    match request.headers["authorization"].split()[1]:
        case "member":
            return httpx.Response(200, json={"tenant": "tenant-a", "admin": False})
        case "admin":
            return httpx.Response(200, json={"tenant": "tenant-a", "admin": True})
        case "admin-b":
            return httpx.Response(200, json={"tenant": "tenant-b", "admin": True})
        case _:
            return httpx.Response(503, json={"type": "unavailable"})


async def get_user(request: Request) -> FakeUser:
    """Return the user that a header names."""
    if not (name := request.headers.get("x-user")):
        raise HTTPException(401)
    return FakeUser(name, "admin" if name == "platform" else "user")


def _make_router(rules: Iterable[str], *more: str) -> APIRouter:
    """Return a router with these routes; each route responds with the size of the body that it received."""
    router = APIRouter()

    async def answer_reached(
        request: Request, _user: Annotated[FakeUser, Depends(get_user)]
    ) -> PlainTextResponse:
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            return PlainTextResponse("gone", status_code=400)

    async def answer_uploaded(file: UploadFile, metadata: Annotated[str, Form()] = "") -> PlainTextResponse:
        return PlainTextResponse(f"{len(await file.read())} {metadata}")

    for rule in (*rules, *more):
        method, path = rule.split()
        router.add_api_route(path, answer_uploaded if rule == "POST /" else answer_reached, methods=[method])
    return router


def make_app(
    store: FakeStore, gateway: Callable[[httpx.Request], httpx.Response] = respond_as_gateway
) -> FastAPI:
    """Return an application with Open WebUI's guarded routes, some other routes, and the guard's rules."""
    permissions = guard.Permissions(store, httpx.AsyncClient(transport=httpx.MockTransport(gateway)))
    app = FastAPI()
    for name, rules, deny_unknown, more in (
        ("knowledge", guard.KNOWLEDGE_RULES, True, ("GET /{id}", "POST /{id}/new-in-the-next-version")),
        ("files", guard.FILE_RULES, True, ("GET /{id}/content",)),
        ("users", guard.USER_RULES, False, ("GET /user/settings", "POST /{user_id}/update")),
        ("groups", guard.GROUP_RULES, False, ("GET /",)),
        ("chats", guard.CHAT_RULES, False, ("POST /new",)),
    ):
        router = _make_router(rules, *more)
        guard.add_rules(router, rules, permissions, get_user, deny_unknown=deny_unknown)
        app.include_router(router, prefix=f"/api/v1/{name}")
    return app


def make_client(app: Any) -> httpx.AsyncClient:
    """Return a client of an application."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chat.example.com")


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
async def http(store: FakeStore) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(guard.BodyLimitMiddleware(make_app(store))) as http:
        yield http


def make_form(file_id: str) -> dict[str, str]:
    """Return the form that names a file."""
    return {"file_id": file_id}


OK, NO, NAME = 200, 403, 409
MIXED: dict[str, Any] = {"file_ids": [], "dir_ids": ["mixed"]}

TABLE: list[tuple[str, str, Any, dict[str, int]]] = [
    # Dora is an administrator of the tenant, Eve of another; "platform" is Open WebUI's administrator.
    ("POST", f"knowledge/{BASE}/reset", None, {"ann": NO, "bob": NO, "dora": NO, "eve": NO, "platform": NO}),
    ("POST", f"knowledge/{PRIVATE}/reset", None, {"ann": NO}),
    ("DELETE", f"knowledge/{BASE}/delete", None, {"ann": NO, "dora": NO, "platform": OK}),
    ("DELETE", f"knowledge/{PRIVATE}/delete", None, {"ann": OK, "bob": NO}),
    ("POST", f"knowledge/{BASE}/update", {"name": "x"}, {"ann": NO, "dora": NO, "platform": OK}),
    ("POST", f"knowledge/{BASE}/access/update", {}, {"ann": NO, "dora": NO, "platform": OK}),
    (
        "POST", f"knowledge/{BASE}/file/remove", make_form("of-bob"),
        {"ann": NO, "bob": OK, "dora": OK, "eve": NO, "platform": OK},
    ),
    ("POST", f"knowledge/{BASE}/file/remove?delete_file=false", make_form("of-bob"), {"ann": NO, "bob": OK}),
    ("POST", f"knowledge/{PRIVATE}/file/remove", make_form("of-bob"), {"ann": OK, "dora": NO}),
    ("POST", f"knowledge/{BASE}/file/update", make_form("of-bob"), {"ann": NO, "bob": OK, "dora": NO}),
    ("POST", f"knowledge/{BASE}/file/move", make_form("of-bob"), {"ann": NO, "bob": OK, "dora": NO}),
    (
        "POST", f"knowledge/{BASE}/file/move", make_form("of-bob") | {"directory_id": "anns"},
        {"bob": NAME, "ann": NO},
    ),
    ("POST", f"knowledge/{BASE}/file/move", make_form("of-bob") | {"directory_id": None}, {"bob": OK}),
    ("POST", f"knowledge/{BASE}/file/add", make_form("of-bob"), {"ann": NO, "bob": OK, "dora": NO}),
    (
        "POST", f"knowledge/{BASE}/files/batch/add", [make_form("of-ann"), make_form("of-bob")],
        {"ann": NO, "bob": NO},
    ),
    ("POST", f"knowledge/{BASE}/files/batch/add", [make_form("of-bob")], {"ann": NO, "bob": OK}),
    ("POST", f"knowledge/{PRIVATE}/file/add", make_form("of-bob"), {"bob": NO, "platform": OK}),
    ("POST", "knowledge/gone/files/batch/add", [make_form("of-bob")], {"bob": NO}),
    ("POST", f"knowledge/{BASE}/sync/diff", {"manifest": []}, {"ann": OK}),
    ("POST", f"knowledge/{BASE}/sync/cleanup", {"file_ids": ["of-ann"]}, {"ann": OK, "bob": NO, "dora": OK}),
    ("POST", f"knowledge/{BASE}/sync/cleanup", MIXED, {"ann": NO, "dora": OK}),
    ("POST", f"knowledge/{BASE}/sync/cleanup", MIXED | {"dir_ids": ["ann-only"]}, {"ann": OK}),
    ("POST", f"knowledge/{BASE}/dirs/create", {"name": "x"}, {"ann": OK}),
    ("POST", f"knowledge/{BASE}/dirs/mixed/update", {"name": "x"}, {"ann": NO, "bob": NO, "dora": NO}),
    ("POST", f"knowledge/{BASE}/dirs/ann-only/update", {"name": "x"}, {"ann": OK, "bob": NO}),
    ("DELETE", f"knowledge/{BASE}/dirs/mixed/delete?move_files=false", None, {"ann": NO, "dora": OK}),
    ("DELETE", f"knowledge/{BASE}/dirs/mixed/delete", None, {"ann": NO, "bob": NO, "eve": NO}),
    ("DELETE", f"knowledge/{BASE}/dirs/ann-only/delete?move_files=false", None, {"ann": OK, "bob": NO}),
    ("DELETE", f"knowledge/{BASE}/dirs/bobs-empty/delete", None, {"ann": NO, "bob": OK, "dora": OK}),
    ("DELETE", f"knowledge/{BASE}/dirs/bobs/delete?move_files=true", None, {"bob": OK}),
    ("DELETE", f"knowledge/{BASE}/dirs/bobs-below/delete?move_files=true", None, {"bob": NAME, "dora": NAME}),
    ("DELETE", f"knowledge/{BASE}/dirs/bobs-below/delete?move_files=false&move_files=1", None, {"bob": NAME}),
    ("DELETE", f"knowledge/{BASE}/dirs/bobs-below/delete", None, {"bob": NAME}),
    ("DELETE", f"knowledge/{BASE}/dirs/bobs-below/delete?move_files=False", None, {"bob": OK, "dora": OK}),
    ("POST", f"knowledge/{BASE}/new-in-the-next-version", {}, {"ann": NO, "dora": NO, "platform": OK}),
    ("GET", f"knowledge/{BASE}", None, {"ann": OK}),
    ("DELETE", "files/of-bob", None, {"ann": NO, "bob": OK, "platform": OK}),
    ("POST", "files/of-bob/rename", {"filename": "plan.md"}, {"ann": NO, "bob": OK}),
    ("POST", "files/of-ann/rename", {"filename": "plan.md"}, {"ann": NAME}),
    ("POST", "files/of-ann/rename", {"filename": "x.md"}, {"ann": OK, "bob": NO}),
    ("POST", "files/of-bob/data/content/update", {"content": "x"}, {"ann": NO, "bob": OK}),
    ("DELETE", "files/all", None, {"ann": NO, "platform": NO}),
    ("GET", "files/of-bob/content", None, {"ann": OK}),
    ("GET", "users/search", None, {"ann": NO, "dora": NO, "platform": NO}),
    ("GET", "users/bob/info", None, {"ann": NO, "dora": NO, "bob": OK, "platform": OK}),
    ("GET", "users/bob/active", None, {"ann": NO, "bob": OK, "platform": OK}),
    ("GET", "users/bob/profile/image", None, {"ann": NO, "bob": OK}),
    ("GET", "users/user/settings", None, {"ann": OK}),
    ("GET", "groups/id/g/info", None, {"ann": NO, "platform": NO}),
    ("GET", "groups/", None, {"ann": OK}),
    ("POST", "chats/import", {"chats": []}, {"ann": NO, "dora": NO, "platform": NO}),
    ("POST", "chats/new", {"chat": {}}, {"ann": OK}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "user", "status"),
    [
        pytest.param(method, path, body, user, status, id=f"{method} {path} {user}")
        for method, path, body, users in TABLE
        for user, status in users.items()
    ],
)
async def test_each_user_may_do_only_what_the_table_allows(
    http: httpx.AsyncClient, method: str, path: str, body: Any, user: str, status: int
) -> None:
    answer = await http.request(method, f"/api/v1/{path}", json=body, headers={"x-user": user})
    assert answer.status_code == status
    if status != OK:
        assert len(answer.json()["detail"].split()) > 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/knowledge/kb/%72eset"),
        ("POST", "/%61pi/v1/%6Bnowledge/kb/reset"),
        ("POST", "/api/v1/knowledge/kb%2Freset"),
        ("POST", "/api/v1/knowledge/kb/reset/"),
        ("POST", "/api/v1/knowledge/kb/reset%0A"),
        ("POST", "/api/v1/knowledge/kb/reset?include_directories=false"),
        ("GET", "/api/v1/users/search"),
        ("GET", "/api/v1/users/search?query=a"),
        ("GET", "/api/v1/users/%73earch"),
        ("GET", "/%61pi/v1/%75sers/search"),
        ("GET", "/api/v1/users%2Fsearch"),
        ("GET", "/api/v1/users/search%0A"),
        ("GET", "/api/v1/users/search/"),
        ("GET", "/api/v1/users/bob/info/"),
        ("GET", "/api/v1/users/bob%2Finfo"),
        ("GET", "/api/v1/groups/id/g/%69nfo"),
    ],
)
async def test_encoded_paths_do_not_bypass_a_rule(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, path, headers={"x-user": "ann"}, follow_redirects=True)
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_an_unsupported_method_is_answered_with_405(http: httpx.AsyncClient, method: str) -> None:
    answer = await http.request(method, "/api/v1/knowledge/kb/reset", headers={"x-user": "ann"})
    assert answer.status_code == 405


async def test_an_unauthenticated_request_is_answered_with_401(http: httpx.AsyncClient) -> None:
    assert (await http.post("/api/v1/knowledge/kb/reset")).status_code == 401


@pytest.mark.parametrize("body", [None, [], {"file_id": 3}, {"file_id": ["of-bob"]}, {}])
async def test_a_form_without_a_file_id_is_refused(http: httpx.AsyncClient, body: Any) -> None:
    answer = await http.post("/api/v1/knowledge/kb/file/remove", json=body, headers={"x-user": "ann"})
    assert answer.status_code == 422


async def test_an_allowed_removal_records_its_user_and_a_refused_removal_does_not(
    http: httpx.AsyncClient, store: FakeStore
) -> None:
    for user, noted in (("bob", "bob"), ("ann", "bob"), ("dora", "dora"), ("eve", "dora")):
        await http.post(
            "/api/v1/knowledge/kb/file/remove", json=make_form("of-bob"), headers={"x-user": user}
        )
        assert store.metadata["of-bob"] == {"tenantry_removed_by": noted}


async def test_adding_a_removed_file_again_clears_the_removal(
    http: httpx.AsyncClient, store: FakeStore
) -> None:
    for verb in ("remove", "add"):
        await http.post(
            f"/api/v1/knowledge/kb/file/{verb}", json=make_form("of-bob"), headers={"x-user": "bob"}
        )
    assert store.metadata["of-bob"] == {"tenantry_removed_by": "", "tenantry_added_to": BASE}


async def test_a_refused_addition_records_nothing(http: httpx.AsyncClient, store: FakeStore) -> None:
    await http.post(
        f"/api/v1/knowledge/{PRIVATE}/file/add", json=make_form("of-bob"), headers={"x-user": "bob"}
    )
    assert store.metadata == {}


async def test_a_removal_is_refused_while_the_gateway_is_unavailable(
    store: FakeStore,
) -> None:
    store.tokens["dora"] = "unknown-token"
    async with make_client(make_app(store)) as http:
        answer = await http.post(
            "/api/v1/knowledge/kb/file/remove", json=make_form("of-bob"), headers={"x-user": "dora"}
        )
    assert answer.status_code == 503
    assert not store.metadata


@pytest.mark.parametrize(
    ("metadata", "filename", "status"),
    [
        ({"knowledge_id": BASE}, "plan.md", NAME),
        ({"knowledge_id": BASE}, "folder/plan.md", NAME),
        ({"knowledge_id": BASE}, "of-ann.md", OK),
        ({"knowledge_id": BASE}, "both.md", OK),
        ({"knowledge_id": BASE, "directory_id": "d"}, "plan.md", OK),
        ({"knowledge_id": BASE, "directory_id": {}}, "plan.md", NAME),
        ({"knowledge_id": {}}, "plan.md", OK),
        ({"knowledge_id": PRIVATE}, "plan.md", OK),
        ({"knowledge_id": "bobs-own"}, "plan.md", NO),
        ([], "plan.md", OK),
        (None, "plan.md", OK),
    ],
)
async def test_an_upload_under_a_colleagues_name_or_without_write_access_is_refused(
    http: httpx.AsyncClient, metadata: Any, filename: str, status: int
) -> None:
    answer = await http.post(
        "/api/v1/files/",
        files={"file": (filename, b"new")},
        data={} if metadata is None else {"metadata": json.dumps(metadata)},
        headers={"x-user": "ann"},
    )
    assert answer.status_code == status


def test_a_missing_guarded_route_prevents_the_start(store: FakeStore) -> None:
    permissions = guard.Permissions(store, httpx.AsyncClient())
    router = _make_router([each for each in guard.KNOWLEDGE_RULES if each != "POST /{id}/reset"])
    with pytest.raises(LookupError, match="reset"):
        guard.add_rules(router, guard.KNOWLEDGE_RULES, permissions, get_user, deny_unknown=True)


@pytest.fixture
def low_body_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limit, so that no test sends 50 MB."""
    monkeypatch.setattr(guard, "MAX_BODY_BYTES", 1000)


@pytest.mark.usefixtures("low_body_limit")
async def test_a_body_of_the_maximum_size_passes_and_a_larger_body_does_not(http: httpx.AsyncClient) -> None:
    http.headers["x-user"] = "ann"
    assert (await http.post("/api/v1/knowledge/create", content=b"x" * 1000)).text == "1000"
    assert (await http.post("/api/v1/knowledge/create", content=b"x" * 1001)).status_code == 413


@pytest.mark.usefixtures("low_body_limit")
async def test_a_body_without_content_length_is_stopped_at_the_limit(http: httpx.AsyncClient) -> None:
    sent = 0

    def send_endlessly() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 100
            yield b"x" * 100

    async def send_chunks() -> AsyncIterator[bytes]:
        for chunk in send_endlessly():
            yield chunk

    http.headers["x-user"] = "ann"
    answer = await http.post("/api/v1/knowledge/create", content=send_chunks())
    assert (answer.status_code, answer.text) == (400, "gone")
    assert sent <= 1200


def test_the_limit_allows_the_largest_file_with_its_form() -> None:
    assert 0 < guard.MAX_BODY_BYTES - MAX_FILE_MIB * 1024 * 1024 <= 2 * 1024 * 1024


async def test_lifespan_and_websocket_events_pass() -> None:
    seen = []

    async def record_scope(scope: dict[str, str], _receive: object, _send: object) -> None:
        seen.append(scope["type"])

    for kind in ("lifespan", "websocket"):
        await guard.BodyLimitMiddleware(record_scope)({"type": kind}, None, None)
    assert seen == ["lifespan", "websocket"]


NOTICE = "Ask your administrator."


def make_banner_app(store: FakeStore) -> FastAPI:
    """Return an application with the banner routes of Open WebUI and one banner for all users."""
    router = APIRouter()

    @router.post("/banners")
    async def set_banners() -> None:
        raise AssertionError

    @router.get("/banners")
    async def get_banners(
        request: Request, user: Annotated[FakeUser, Depends(get_user)]
    ) -> list[dict[str, Any]]:
        assert request.url.path.endswith("/banners")
        assert user.id
        return [{"content": "Maintenance on Sunday."}]

    guard.add_notice_banner(router, store, get_user, NOTICE)
    app = FastAPI()
    app.include_router(router, prefix="/api/v1/configs")
    return app


@pytest.mark.parametrize(
    ("user", "has_notice"), [("ann", False), ("nemo", True), ("first-time", True), ("platform", False)]
)
async def test_only_users_without_a_tenant_see_the_notice(
    store: FakeStore, user: str, has_notice: bool
) -> None:
    async with make_client(make_banner_app(store)) as http:
        assert (await http.get("/api/v1/configs/banners")).status_code == 401
        shown = (await http.get("/api/v1/configs/banners", headers={"x-user": user})).json()
    assert [each["content"] for each in shown] == ["Maintenance on Sunday."] + [NOTICE] * has_notice


def test_a_missing_banner_route_prevents_the_start(store: FakeStore) -> None:
    with pytest.raises(LookupError, match="GET /banners"):
        guard.add_notice_banner(APIRouter(), store, get_user, NOTICE)


async def test_responses_are_counted_by_the_class_of_their_status() -> None:
    app = FastAPI()

    @app.get("/health/db")
    async def _() -> None: ...

    @app.get("/ok")
    async def _() -> None: ...

    @app.get("/broken")
    async def _() -> None:
        raise RuntimeError("a bug")

    counter = guard.ResponseCounter(app)
    assert 'tenantry_open_webui_responses_total{status="5xx"} 0' in counter.render()
    async with make_client(counter) as http:
        for path in ("/health/db", "/ok", "/absent"):
            await http.get(path)
        with pytest.raises(RuntimeError):
            await http.get("/broken")
    assert re.findall(r'status="(\dxx)"} (\d)', counter.render()) == [
        ("2xx", "1"),
        ("3xx", "0"),
        ("4xx", "1"),
        ("5xx", "1"),
    ]


def test_the_counters_are_served_on_a_separate_port() -> None:
    counter = guard.ResponseCounter(FastAPI())
    server = guard.serve_metrics(counter.render, "127.0.0.1", 0)
    try:
        found = httpx.get(f"http://127.0.0.1:{server.server_address[1]}/metrics")
        assert found.text == counter.render()
    finally:
        server.shutdown()
        server.server_close()


def test_connections_to_the_database_are_shown_with_their_limit() -> None:
    pool = SimpleNamespace(checkedout=lambda: 2, size=lambda: 3, _max_overflow=1)  # as SQLAlchemy's QueuePool
    shown = guard.render_pools({"async": pool, "sync": object()})  # a NullPool has no limit
    assert re.findall(r'^tenantry_open_webui_database_(\w+){pool="(\w+)"} (\d+)$', shown, re.MULTILINE) == [
        ("connections", "async", "2"),
        ("connections_limit", "async", "4"),
    ]
