"""ASGI guard of Open WebUI: refuses requests that no setting of Open WebUI can forbid.

The guard runs in Open WebUI's process. Each rule is a dependency of one of Open WebUI's routes. So a rule
checks a request after routing, whatever the encoding of its path. The chart and the local platform both run
this file.

Rules for knowledge bases: members add files, and change or remove their own. Administrators of the tenant may
remove any file. No one may reset a knowledge base. A route that changes knowledge bases or files but has no
rule here is refused.
"""

import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import httpx
import uvicorn
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.routing import APIRoute

MAX_BODY_BYTES = 52 * 1024 * 1024
"""Largest request body: the largest file and its form. Open WebUI reads a body into memory before it checks
the size."""

KEEP_ALIVE_SECONDS = 310
"""Time for which an idle connection stays open: longer than a load balancer keeps it, which is 300 seconds.
If both close it at the same time, a request on it gets the status 502."""

GATEWAY_TIMEOUT_SECONDS = 10.0
"""Timeout of the request to the gateway for a user's tenant and role."""

REMOVED_BY = "tenantry_removed_by"
"""Key in a file's metadata: id of the user who removed the file. File-sync checks that user's rights."""

EVENT_FUNCTION = "tenantry_events"
"""Id of the function whose valves contain the gateway's URL."""

ADDED_TO = "tenantry_added_to"
"""Key in a file's metadata: id of the last knowledge base to which the file was added."""

TENANT_GROUP_PREFIX = "/tenants/"
"""Prefix of the names of tenants' groups."""

NOTICE_VARIABLE = "TENANTRY_NO_TENANT_NOTICE"
"""Environment variable with the notice above an empty chat for users without a tenant; empty for no
notice."""

METRICS_VARIABLE = "TENANTRY_METRICS_PORT"
"""Environment variable with the port that serves only `/metrics`; without it, no metrics are served."""

PROBES = ("/health", "/ready")
"""Paths of probes, whose responses are not counted."""

TOO_LARGE = "This file is too large. Please upload a file that is less than 50 MB."
NO_USER_SEARCH = "You cannot search for other people here."
NO_IMPORT = "Chats cannot be imported here. Clone or fork a chat instead."
NO_RESET = "A knowledge base cannot be reset here. Remove your own files one by one."
DISABLED = "This function is disabled here."
NOT_OWNER = "This belongs to a colleague. Ask its owner or one of your tenant's administrators."
NOT_BASE_OWNER = "Only the platform changes this knowledge base. You can add files, and remove your own."
NOT_WRITABLE = "You cannot add files to this knowledge base."
NAME_TAKEN = (
    "A colleague's document in this knowledge base is named {name}. Choose another name, or ask its owner or "
    "one of your tenant's administrators to remove it."
)
CANNOT_CHECK = "Your permissions cannot be checked right now. Nothing was changed; try again in a moment."

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class User(Protocol):
    """The signed-in user of Open WebUI who sent the request."""

    id: str
    role: str


Rule = Callable[["Permissions", Request, User], Awaitable[None]]
"""Check of a request; raises HTTPException to refuse the request."""


class BodyLimitMiddleware:
    """ASGI middleware that limits the body of HTTP requests; WebSockets and lifespan events pass."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request to the app, or answer with 413 if the body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif int(dict(scope["headers"]).get(b"content-length", 0)) > MAX_BODY_BYTES:
            await _send_error(send, 413, TOO_LARGE)
        else:
            await self._call_with_limit(scope, receive, send)

    async def _call_with_limit(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request of unknown length to the app; a body beyond the limit becomes a disconnect."""
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message if received <= MAX_BODY_BYTES else {"type": "http.disconnect"}

        await self._app(scope, receive_limited, send)


class ResponseCounter:
    """ASGI middleware that counts responses by the class of their status, for Prometheus.

    Open WebUI itself can only push metrics to an OpenTelemetry collector.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._counts = dict.fromkeys(("2xx", "3xx", "4xx", "5xx"), 0)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request to the app, and count its response; an exception counts as 5xx."""
        if scope["type"] != "http" or scope["path"].startswith(PROBES):
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_read_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_read_status)
        except Exception:
            status = status or 500
            raise
        finally:
            if status:  # otherwise the caller has disconnected
                self._counts[f"{status // 100}xx"] += 1

    def render(self) -> str:
        """Return the counters in Prometheus' text format."""
        name = "tenantry_open_webui_responses"
        lines = [f'{name}_total{{status="{status}"}} {count}' for status, count in self._counts.items()]
        return "\n".join([f"# TYPE {name}_total counter", *lines, ""])


def list_pools() -> dict[str, Any]:
    """Return Open WebUI's pools of connections to its database."""
    from open_webui.internal import db

    return {"async": db.async_engine.sync_engine.pool, "sync": db.engine.pool}


def render_pools(pools: dict[str, Any]) -> str:
    """Return the connections in use and their limit, in Prometheus' text format; nothing without a limit."""
    bounded = {name: pool for name, pool in pools.items() if hasattr(pool, "checkedout")}
    name = "tenantry_open_webui_database_connections"
    lines = [f"# TYPE {name} gauge"]
    lines += [f'{name}{{pool="{each}"}} {pool.checkedout()}' for each, pool in bounded.items()]
    lines += [f"# TYPE {name}_limit gauge"]
    lines += [
        f'{name}_limit{{pool="{each}"}} {pool.size() + pool._max_overflow}'  # noqa: SLF001 (no other way)
        for each, pool in bounded.items()
    ]
    return "\n".join([*lines, ""])


def serve_metrics(render: Callable[[], str], host: str, port: int) -> ThreadingHTTPServer:
    """Serve metrics on a separate port, in a thread."""

    class ResponseMetricsHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = render().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the base class)
            pass

    server = ThreadingHTTPServer((host, port), ResponseMetricsHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class KnowledgeStore(Protocol):
    """Access to Open WebUI's records of knowledge bases, files and users."""

    async def get_knowledge_owner(self, knowledge_id: str) -> str | None:
        """Return the id of a knowledge base's owner; ``None`` if the knowledge base does not exist."""

    async def get_tenants(self, knowledge_id: str) -> set[str]:
        """Return the keys of the tenants whose group may write to a knowledge base."""

    async def can_write(self, knowledge_id: str, user_id: str) -> bool:
        """Return True if a knowledge base exists and a user may write to it."""

    async def get_file_owners(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Return the owner of each existing file."""

    async def get_directory(self, knowledge_id: str, directory_id: str) -> tuple[set[str], set[str]]:
        """Return the owners of a directory and its subdirectories, and the ids of all files in them."""

    async def get_parent_directory(self, directory_id: str) -> str | None:
        """Return the id of a directory's parent; ``None`` for a top-level directory."""

    async def list_locations(self, file_id: str) -> list[tuple[str, str | None]]:
        """Return each knowledge base that contains a file, with the file's directory in it."""

    async def get_name_owners(
        self, knowledge_id: str, directory_id: str | None, filenames: Iterable[str]
    ) -> dict[str, set[str]]:
        """Return, by file name, the owners of files with these names in a directory of a knowledge base."""

    async def get_filenames(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Return the name of each existing file."""

    async def set_metadata(self, file_ids: Iterable[str], values: Mapping[str, str]) -> None:
        """Set keys in the metadata of the existing files."""

    async def get_access_token(self, request: Request, user_id: str) -> str:
        """Return a valid Keycloak access token of a user's newest session, or an empty string."""

    async def get_gateway_url(self) -> str:
        """Return the URL of the gateway, or an empty string if none is set yet."""

    async def list_groups(self, user_id: str) -> set[str]:
        """Return the names of a user's groups."""


class Permissions:
    """Checks of users' permissions on knowledge bases and files.

    Parameters
    ----------
    http
        Client for the gateway, which returns the tenant and the role of a token's user.
    """

    def __init__(self, store: KnowledgeStore, http: httpx.AsyncClient) -> None:
        self.store = store
        self._http = http

    async def require_base_owner(self, request: Request, user: User) -> None:
        """Refuse unless the user owns the knowledge base."""
        if await self._get_base_owner(request) != user.id:
            raise HTTPException(403, NOT_BASE_OWNER)

    async def require_file_owner(self, file_ids: Iterable[str], user: User) -> None:
        """Refuse unless the user owns all existing files; the route handles missing files."""
        if set((await self.store.get_file_owners(file_ids)).values()) - {user.id}:
            raise HTTPException(403, NOT_OWNER)

    async def require_writable(self, knowledge_id: str, user: User) -> None:
        """Refuse unless the knowledge base exists and the user may write to it."""
        if not await self.store.can_write(knowledge_id, user.id):
            raise HTTPException(403, NOT_WRITABLE)

    async def require_free_name(
        self, knowledge_id: str, directory_id: str | None, filename: str, user: User
    ) -> None:
        """Refuse a filename that only colleagues' files have in the same directory of a knowledge base.

        If the user and a colleague both have a file of that name, file-sync decides, because file-sync knows
        whose document has that name.
        """
        owners_by_name = await self.store.get_name_owners(knowledge_id, directory_id, [filename])
        owners = owners_by_name.get(filename, set())
        if owners and user.id not in owners:
            raise HTTPException(409, NAME_TAKEN.format(name=filename))

    async def require_free_names_in_parent(
        self, knowledge_id: str, directory_id: str, file_ids: Iterable[str]
    ) -> None:
        """Refuse to move a directory's files into its parent if two users' files would then share a name."""
        owners, names = await self.store.get_file_owners(file_ids), await self.store.get_filenames(file_ids)
        parent = await self.store.get_parent_directory(directory_id)
        people = await self.store.get_name_owners(knowledge_id, parent, set(names.values()))
        for file_id, filename in names.items():
            people.setdefault(filename, set()).add(owners[file_id])
            if len(people[filename]) > 1:
                raise HTTPException(409, NAME_TAKEN.format(name=filename))

    async def require_removable(
        self, request: Request, user: User, file_ids: set[str], others: Iterable[str] = ()
    ) -> None:
        """Refuse to remove a colleague's files unless the user administers the tenant; record the user.

        Parameters
        ----------
        others
            Owners of the directories that are removed together with the files.
        """
        owners = await self.store.get_file_owners(file_ids)
        other_owners = (set(owners.values()) | set(others)) - {user.id}
        if other_owners and await self._get_base_owner(request) != user.id:
            await self._require_administrator(request, user)
        await self.store.set_metadata(owners, {REMOVED_BY: user.id})

    async def _get_base_owner(self, request: Request) -> str | None:
        return await self.store.get_knowledge_owner(request.path_params["id"])

    async def _require_administrator(self, request: Request, user: User) -> None:
        """Refuse unless the user is an administrator of the knowledge base's tenant."""
        tenants = await self.store.get_tenants(request.path_params["id"])
        token = await self.store.get_access_token(request, user.id)
        if not token:
            raise HTTPException(403, NOT_OWNER)
        url = f"{(await self.store.get_gateway_url()).rstrip('/')}/v1/me"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            response = await self._http.get(url, headers=headers, timeout=GATEWAY_TIMEOUT_SECONDS)
            person = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
            raise HTTPException(503, CANNOT_CHECK) from exc
        if response.status_code >= 500 or response.status_code == 429:
            raise HTTPException(503, CANNOT_CHECK)
        if (
            response.status_code != 200
            or person.get("admin") is not True
            or person.get("tenant") not in tenants
        ):
            raise HTTPException(403, NOT_OWNER)


async def allow(_rights: Permissions, _request: Request, _user: User) -> None:
    """Leave the check to Open WebUI: the route adds or reads, or is only for administrators."""


def make_refusal(sentence: str) -> Rule:
    """Return a rule that refuses every request."""

    async def refuse_request(_rights: Permissions, _request: Request, _user: User) -> None:
        raise HTTPException(403, sentence)

    return refuse_request


async def check_own_account(_rights: Permissions, request: Request, user: User) -> None:
    """Allow requests about the user's own account."""
    if request.path_params["user_id"] != user.id:
        raise HTTPException(403, NO_USER_SEARCH)


async def check_own_knowledge_base(permissions: Permissions, request: Request, user: User) -> None:
    """Allow a change of the knowledge base itself to its owner."""
    await permissions.require_base_owner(request, user)


async def check_upload(permissions: Permissions, request: Request, user: User) -> None:
    """Refuse an upload to a knowledge base without write access, or under the name of a colleague's file.

    Open WebUI itself stores the file first and checks the access only after it has processed the file.
    """
    form = await request.form()
    metadata, filename = form.get("metadata"), getattr(form.get("file"), "filename", None)
    try:
        asked = json.loads(metadata) if isinstance(metadata, str) else {}
    except ValueError:
        asked = {}
    if isinstance(asked, dict) and isinstance(asked.get("knowledge_id"), str) and filename:
        await permissions.require_writable(asked["knowledge_id"], user)
        name = Path(filename).name
        await permissions.require_free_name(asked["knowledge_id"], _get_directory_id(asked), name, user)


async def check_own_file(permissions: Permissions, request: Request, user: User) -> None:
    """Allow a change of a file to its owner."""
    await permissions.require_file_owner([request.path_params["id"]], user)


async def check_rename(permissions: Permissions, request: Request, user: User) -> None:
    """Allow the owner to rename a file to a name that no colleague's file has in the same directories."""
    file_id = request.path_params["id"]
    await permissions.require_file_owner([file_id], user)
    filename = _get_text(await _read_json(request), "filename")
    for knowledge_id, directory_id in await permissions.store.list_locations(file_id):
        await permissions.require_free_name(knowledge_id, directory_id, filename, user)


async def check_add(permissions: Permissions, request: Request, user: User) -> None:
    """Allow users to add their own files to a knowledge base, under names that no colleague's file has."""
    forms = await _read_json(request)
    forms = forms if isinstance(forms, list) else [forms]
    directories = {_get_text(form, "file_id"): _get_directory_id(form) for form in forms}
    knowledge_id = request.path_params["id"]
    await permissions.require_writable(knowledge_id, user)
    await permissions.require_file_owner(directories, user)
    for file_id, filename in (await permissions.store.get_filenames(directories)).items():
        await permissions.require_free_name(knowledge_id, directories[file_id], filename, user)
    values = {ADDED_TO: knowledge_id, REMOVED_BY: ""}
    await permissions.store.set_metadata(directories, values)


async def check_update(permissions: Permissions, request: Request, user: User) -> None:
    """Allow a change of a file's entry in a knowledge base to the file's owner."""
    await permissions.require_file_owner([_get_text(await _read_json(request), "file_id")], user)


async def check_move(permissions: Permissions, request: Request, user: User) -> None:
    """Allow the owner to move a file to a directory in which no colleague's file has its name."""
    form = await _read_json(request)
    file_id = _get_text(form, "file_id")
    await permissions.require_file_owner([file_id], user)
    for filename in (await permissions.store.get_filenames([file_id])).values():
        await permissions.require_free_name(
            request.path_params["id"], _get_directory_id(form), filename, user
        )


async def check_remove(permissions: Permissions, request: Request, user: User) -> None:
    """Allow the owner and administrators of the tenant to remove a file."""
    await permissions.require_removable(request, user, {_get_text(await _read_json(request), "file_id")})


async def check_sync_cleanup(permissions: Permissions, request: Request, user: User) -> None:
    """Allow the last step of Open WebUI's folder synchronisation if each of its removals is allowed."""
    form = await _read_json(request)
    file_ids, owners = set(_get_ids(form, "file_ids")), set[str]()
    for directory_id in _get_ids(form, "dir_ids"):
        above, inside = await permissions.store.get_directory(request.path_params["id"], directory_id)
        owners |= above
        file_ids |= inside
    await permissions.require_removable(request, user, file_ids, owners)


async def check_remove_directory(permissions: Permissions, request: Request, user: User) -> None:
    """Allow administrators of the tenant, and the owner of all its contents, to remove a directory.

    By default, Open WebUI moves the files of a removed directory into the directory's parent.
    """
    path = request.path_params
    owners, file_ids = await permissions.store.get_directory(path["id"], path["dir_id"])
    if request.query_params.get("move_files", "").lower() not in ("false", "0", "off", "no", "f", "n"):
        await permissions.require_free_names_in_parent(path["id"], path["dir_id"], file_ids)
    await permissions.require_removable(request, user, file_ids, owners)


async def check_update_directory(permissions: Permissions, request: Request, user: User) -> None:
    """Allow a user who owns everything in a directory to rename or move the directory."""
    path = request.path_params
    owners, file_ids = await permissions.store.get_directory(path["id"], path["dir_id"])
    await permissions.require_file_owner(file_ids, user)
    if owners - {user.id}:
        raise HTTPException(403, NOT_OWNER)


KNOWLEDGE_RULES: Mapping[str, Rule] = {
    "POST /create": allow,
    "POST /reindex": allow,
    "POST /metadata/reindex": allow,
    "POST /external/connections": allow,
    "PATCH /external/connections/{id}": allow,
    "DELETE /external/connections/{id}": allow,
    "POST /external/connections/{id}/test": allow,
    "POST /external/connections/{id}/retrieve-test": allow,
    "POST /external/source/test": allow,
    "POST /external/knowledge/create": allow,
    "POST /external/source/create": allow,
    "PATCH /external/source/{id}": allow,
    "POST /{id}/update": check_own_knowledge_base,
    "POST /{id}/access/update": check_own_knowledge_base,
    "DELETE /{id}/delete": check_own_knowledge_base,
    "POST /{id}/reset": make_refusal(NO_RESET),
    "POST /{id}/file/add": check_add,
    "POST /{id}/files/batch/add": check_add,
    "POST /{id}/file/update": check_update,
    "POST /{id}/file/move": check_move,
    "POST /{id}/file/remove": check_remove,
    "POST /{id}/sync/diff": allow,
    "POST /{id}/sync/cleanup": check_sync_cleanup,
    "POST /{id}/dirs/create": allow,
    "POST /{id}/dirs/{dir_id}/update": check_update_directory,
    "DELETE /{id}/dirs/{dir_id}/delete": check_remove_directory,
}
"""Rules of the routes under ``/api/v1/knowledge``; routes with ``external`` are only for administrators."""

FILE_RULES: Mapping[str, Rule] = {
    "POST /": check_upload,
    "DELETE /all": make_refusal(DISABLED),
    "POST /{id}/data/content/update": check_own_file,
    "POST /{id}/rename": check_rename,
    "DELETE /{id}": check_own_file,
}
"""Rules of the routes under ``/api/v1/files``."""

USER_RULES: Mapping[str, Rule] = {
    "GET /search": make_refusal(NO_USER_SEARCH),
    "GET /{user_id}/info": check_own_account,
    "GET /{user_id}/active": check_own_account,
    "GET /{user_id}/profile/image": check_own_account,
}
"""Rules of routes under ``/api/v1/users``, which show users of all tenants."""

GROUP_RULES: Mapping[str, Rule] = {"GET /id/{id}/info": make_refusal(NO_USER_SEARCH)}
"""Rules of routes under ``/api/v1/groups``."""

CHAT_RULES: Mapping[str, Rule] = {"POST /import": make_refusal(NO_IMPORT)}
"""Rules of routes under ``/api/v1/chats``.

The erasure of a tenant finds chats by their times and models; an imported chat could name any time and model.
"""

ALSO_FOR_ADMINISTRATORS = frozenset(
    {"POST /{id}/reset", "DELETE /all", "GET /search", "GET /id/{id}/info", "POST /import"}
)
"""Routes whose rules also apply to Open WebUI's administrators."""


def add_rules(
    router: APIRouter,
    rules: Mapping[str, Rule],
    permissions: Permissions,
    user: Callable[..., Any],
    *,
    deny_unknown: bool,
) -> None:
    """Add each rule as a dependency to its route. Call this before the router is included in an application.

    Parameters
    ----------
    user
        The dependency that returns the signed-in user.
    deny_unknown
        Refuse requests to routes that change something and have no rule.

    Raises
    ------
    LookupError
        A rule has no route: the guard does not know this version of Open WebUI.
    """
    routes = {
        f"{method} {route.path}": route
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    if missing := rules.keys() - routes.keys():
        raise LookupError(f"Open WebUI has no route {min(missing)!r}: the guard does not know this version.")
    for name, route in routes.items():
        is_write = name.split()[0] not in ("GET", "HEAD", "OPTIONS")
        rule = rules.get(name, make_refusal(DISABLED) if deny_unknown and is_write else allow)
        if rule is allow:
            continue
        route.dependencies.append(
            Depends(
                _make_dependency(
                    rule, permissions, user, also_for_administrators=name in ALSO_FOR_ADMINISTRATORS
                )
            )
        )


def add_notice_banner(
    router: APIRouter, store: KnowledgeStore, user: Callable[..., Any], notice: str
) -> None:
    """Add a notice to the banners of users without a tenant. Call this before the router is included.

    Open WebUI itself has one list of banners for all users.

    Raises
    ------
    LookupError
        The router has no route for banners: the guard does not know this version of Open WebUI.
    """
    at = next((at for at, route in enumerate(router.routes) if _is_banner_route(route)), None)
    if at is None:
        raise LookupError("Open WebUI has no route 'GET /banners': the guard does not know this version.")
    listed: Any = router.routes[at]

    async def list_banners(request: Request, caller: Any = Depends(user)) -> Any:  # noqa: B008 (FastAPI's way)
        shown = list(await listed.endpoint(request, caller) or ())
        has_tenant = any(name.startswith(TENANT_GROUP_PREFIX) for name in await store.list_groups(caller.id))
        return shown if has_tenant or caller.role == "admin" else [*shown, _make_banner(notice)]

    router.add_api_route(
        "/banners", list_banners, methods=["GET"], response_model=listed.response_model, name=listed.name
    )
    router.routes[at] = router.routes.pop()


def _is_banner_route(route: Any) -> bool:
    return isinstance(route, APIRoute) and route.path.endswith("/banners") and "GET" in route.methods


def _make_banner(notice: str) -> dict[str, Any]:
    return {
        "id": "tenantry-no-tenant",
        "type": "warning",
        "title": "",
        "content": notice,
        "dismissible": False,
        "timestamp": 0,
    }


def _make_dependency(
    rule: Rule, permissions: Permissions, user: Callable[..., Any], *, also_for_administrators: bool
) -> Callable[..., Awaitable[None]]:
    async def check(request: Request, caller: Any = Depends(user)) -> None:  # noqa: B008 (FastAPI's way)
        if also_for_administrators or caller.role != "admin":
            await rule(permissions, request, caller)

    return check


async def _read_json(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError as exc:
        raise HTTPException(422, "The body must be JSON.") from exc


def _get_text(form: Any, name: str) -> str:
    if not isinstance(form, dict) or not isinstance(form.get(name), str):
        raise HTTPException(422, f"{name} is missing.")
    value: str = form[name]
    return value


def _get_directory_id(form: Mapping[str, Any]) -> str | None:
    value = form.get("directory_id")
    return value if isinstance(value, str) and value else None


def _get_ids(form: Any, name: str) -> list[str]:
    values = form.get(name, []) if isinstance(form, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise HTTPException(422, f"{name} must be a list of ids.")
    return values


async def _send_error(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class OpenWebUIStore:
    """KnowledgeStore on Open WebUI's own models, which exist only in its process."""

    async def get_knowledge_owner(self, knowledge_id: str) -> str | None:
        """Return the id of a knowledge base's owner; ``None`` if the knowledge base does not exist."""
        from open_webui.models.knowledge import Knowledge
        from sqlalchemy import select

        rows = await _fetch_rows(select(Knowledge.user_id).where(Knowledge.id == knowledge_id))
        return rows[0][0] if rows else None

    async def get_tenants(self, knowledge_id: str) -> set[str]:
        """Return the keys of the tenants whose group may write to a knowledge base."""
        from open_webui.models.access_grants import AccessGrant
        from open_webui.models.groups import Group
        from sqlalchemy import select

        rows = await _fetch_rows(
            select(Group.name)
            .join(AccessGrant, AccessGrant.principal_id == Group.id)
            .where(
                AccessGrant.resource_type == "knowledge",
                AccessGrant.resource_id == knowledge_id,
                AccessGrant.principal_type == "group",
                AccessGrant.permission == "write",
            )
        )
        return {
            name.removeprefix(TENANT_GROUP_PREFIX) for (name,) in rows if name.startswith(TENANT_GROUP_PREFIX)
        }

    async def can_write(self, knowledge_id: str, user_id: str) -> bool:
        """Return True if a knowledge base exists and a user may write to it."""
        from open_webui.models.access_grants import AccessGrants

        owner = await self.get_knowledge_owner(knowledge_id)
        return owner is not None and (
            owner == user_id
            or await AccessGrants.has_access(
                user_id=user_id, resource_type="knowledge", resource_id=knowledge_id, permission="write"
            )
        )

    async def get_file_owners(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Return the owner of each existing file."""
        from open_webui.models.files import File
        from sqlalchemy import select

        return dict(await _fetch_rows(select(File.id, File.user_id).where(File.id.in_(list(file_ids)))))

    async def get_filenames(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Return the name of each existing file."""
        from open_webui.models.files import File
        from sqlalchemy import select

        return dict(await _fetch_rows(select(File.id, File.filename).where(File.id.in_(list(file_ids)))))

    async def get_directory(self, knowledge_id: str, directory_id: str) -> tuple[set[str], set[str]]:
        """Return the owners of a directory and its subdirectories, and the ids of all files in them."""
        from open_webui.models.knowledge import KnowledgeDirectory, KnowledgeFile
        from sqlalchemy import select

        directories = await _fetch_rows(
            select(KnowledgeDirectory.id, KnowledgeDirectory.parent_id, KnowledgeDirectory.user_id).where(
                KnowledgeDirectory.knowledge_id == knowledge_id
            )
        )
        inside = {directory_id}
        while more := {child for child, parent, _ in directories if parent in inside} - inside:
            inside |= more
        files = await _fetch_rows(
            select(KnowledgeFile.file_id).where(
                KnowledgeFile.knowledge_id == knowledge_id, KnowledgeFile.directory_id.in_(list(inside))
            )
        )
        owners = {owner for directory, _, owner in directories if directory in inside}
        return owners, {file_id for (file_id,) in files}

    async def get_parent_directory(self, directory_id: str) -> str | None:
        """Return the id of a directory's parent; ``None`` for a top-level directory."""
        from open_webui.models.knowledge import KnowledgeDirectory
        from sqlalchemy import select

        rows = await _fetch_rows(
            select(KnowledgeDirectory.parent_id).where(KnowledgeDirectory.id == directory_id)
        )
        return next((parent for (parent,) in rows), None)

    async def list_locations(self, file_id: str) -> list[tuple[str, str | None]]:
        """Return each knowledge base that contains a file, with the file's directory in it."""
        from open_webui.models.knowledge import KnowledgeFile
        from sqlalchemy import select

        rows = await _fetch_rows(
            select(KnowledgeFile.knowledge_id, KnowledgeFile.directory_id).where(
                KnowledgeFile.file_id == file_id
            )
        )
        return [(knowledge_id, directory_id) for knowledge_id, directory_id in rows]

    async def get_name_owners(
        self, knowledge_id: str, directory_id: str | None, filenames: Iterable[str]
    ) -> dict[str, set[str]]:
        """Return, by file name, the owners of files with these names in a directory of a knowledge base."""
        from open_webui.models.files import File
        from open_webui.models.knowledge import KnowledgeFile
        from sqlalchemy import select

        rows = await _fetch_rows(
            select(File.filename, File.user_id)
            .join(KnowledgeFile, KnowledgeFile.file_id == File.id)
            .where(
                KnowledgeFile.knowledge_id == knowledge_id,
                KnowledgeFile.directory_id == directory_id,
                File.filename.in_(list(filenames)),
            )
        )
        owners: dict[str, set[str]] = {}
        for filename, owner in rows:
            owners.setdefault(filename, set()).add(owner)
        return owners

    async def set_metadata(self, file_ids: Iterable[str], values: Mapping[str, str]) -> None:
        """Set keys in the metadata of the existing files."""
        from open_webui.models.files import File, Files
        from sqlalchemy import select

        for file_id, meta in await _fetch_rows(select(File.id, File.meta).where(File.id.in_(list(file_ids)))):
            if any((meta or {}).get(name, "") != value for name, value in values.items()):
                await Files.update_file_metadata_by_id(file_id, dict(values))

    async def get_access_token(self, request: Request, user_id: str) -> str:
        """Return a valid Keycloak access token of a user's newest session, or an empty string."""
        from open_webui.models.oauth_sessions import OAuthSessions

        sessions = [
            session
            for session in await OAuthSessions.get_sessions_by_user_id(user_id)
            if not session.provider.startswith("mcp:")  # sessions of tools, not of the user
        ]
        newest = max(sessions, key=lambda session: session.created_at, default=None)
        if newest is None:
            return ""
        token = await request.app.state.oauth_manager.get_oauth_token(user_id, newest.id)
        return str((token or {}).get("access_token") or "")

    async def get_gateway_url(self) -> str:
        """Return the URL of the gateway, or an empty string if none is set yet.

        The installer writes this URL into the valves of the event function, which also calls the gateway.
        """
        from open_webui.models.functions import Functions

        valves = await Functions.get_function_valves_by_id(EVENT_FUNCTION)
        return str((valves or {}).get("gateway_url") or "")

    async def list_groups(self, user_id: str) -> set[str]:
        """Return the names of a user's groups."""
        from open_webui.models.groups import Groups

        return {group.name for group in await Groups.get_groups_by_member_id(user_id)}


async def _fetch_rows(statement: Any) -> Any:
    from open_webui.internal.db import get_async_db_context

    async with get_async_db_context() as session:
        return (await session.execute(statement)).all()


def create_app() -> BodyLimitMiddleware:
    """Return Open WebUI's application with the guard's rules and the body limit.

    Raises
    ------
    LookupError
        This version of Open WebUI lacks a route that has a rule.
    RuntimeError
        Open WebUI was built before its routes had their rules.
    """
    from open_webui.routers import chats, configs, files, groups, knowledge, users
    from open_webui.utils.auth import get_verified_user

    if "open_webui.main" in sys.modules:
        raise RuntimeError("open_webui.main was imported before the guard added its rules to the routes.")
    permissions = Permissions(OpenWebUIStore(), httpx.AsyncClient())
    add_rules(knowledge.router, KNOWLEDGE_RULES, permissions, get_verified_user, deny_unknown=True)
    add_rules(files.router, FILE_RULES, permissions, get_verified_user, deny_unknown=True)
    add_rules(users.router, USER_RULES, permissions, get_verified_user, deny_unknown=False)
    add_rules(groups.router, GROUP_RULES, permissions, get_verified_user, deny_unknown=False)
    add_rules(chats.router, CHAT_RULES, permissions, get_verified_user, deny_unknown=False)
    if notice := os.environ.get(NOTICE_VARIABLE, ""):
        add_notice_banner(configs.router, permissions.store, get_verified_user, notice)
    from open_webui.main import app

    return BodyLimitMiddleware(app)


if __name__ == "__main__":
    app, host = ResponseCounter(create_app()), os.environ.get("HOST", "0.0.0.0")
    if metrics_port := int(os.environ.get(METRICS_VARIABLE, "0")):
        pools = list_pools()
        serve_metrics(lambda: app.render() + render_pools(pools), host, metrics_port)
    uvicorn.run(
        app,
        host=host,
        port=int(os.environ.get("PORT", "8080")),
        forwarded_allow_ips="*",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
