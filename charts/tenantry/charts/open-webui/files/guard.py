"""ASGI guard in front of Open WebUI: serves it, and refuses requests that no setting of Open WebUI forbids.

It runs in Open WebUI's process. Each rule is a dependency of one of Open WebUI's routes, so it sees a request
as the route does, however the path is encoded. The chart and the local platform both start this file.

Rules for knowledge bases: members add files, and change or remove their own. Administrators of the tenant may
remove any file. Nobody resets a knowledge base. A route that changes knowledge bases or files and has no rule
here is refused.
"""

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Protocol

import httpx
import uvicorn
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.routing import APIRoute

LARGEST_BODY = 52 * 1024 * 1024
"""Bytes: the largest file and its form. Open WebUI reads it into memory before it looks at its size."""

GATEWAY_SECONDS = 10.0
"""Longest wait for the gateway, which says who is an administrator of a tenant."""

REMOVED_BY = "tenantry_removed_by"
"""Key in a file's metadata: id of the user who removed it. File-sync checks who that is."""

EVENT_FUNCTION = "tenantry_events"
"""Id of the function whose settings name the gateway."""

ADDED_TO = "tenantry_added_to"
"""Key in a file's metadata: id of the knowledge base to which it was added last."""

TENANT_GROUP = "/tenants/"
"""Beginning of the names of tenants' groups."""

NOTICE_VARIABLE = "TENANTRY_NO_TENANT_NOTICE"
"""Environment variable with what people without a tenant read above an empty chat; empty for no notice."""

TOO_LARGE = "This is too large. Please upload a file that is less than 50 MB."
NO_PEOPLE = "Nobody can look up other people here."
NO_IMPORT = "Chats cannot be imported here. Clone or fork a chat instead."
NO_RESET = "Nobody can empty a knowledge base as a whole. Remove your own files one by one."
NO_RULE = "This is switched off here."
NOT_YOURS = "This belongs to a colleague. Ask its owner or one of your company's administrators."
NOT_YOUR_BASE = "Only the platform changes this knowledge base. You can add files, and remove your own."
NO_PLACE = "You cannot add files to this knowledge base."
NOT_YOUR_NAME = (
    "A colleague's document in this knowledge base is named {name}. Choose another name, or ask its owner or "
    "one of your company's administrators to remove it."
)
CANNOT_CHECK = "Your rights cannot be checked right now. Nothing was changed; try again in a moment."

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class User(Protocol):
    """A user of Open WebUI."""

    id: str
    role: str


Rule = Callable[["Rights", Request, User], Awaitable[None]]
"""Raises HTTPException to refuse a request."""


class Guard:
    """Bounds the body of each HTTP request to ``app``; WebSockets and lifespan events pass unchanged."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif int(dict(scope["headers"]).get(b"content-length", 0)) > LARGEST_BODY:
            await _answer(send, 413, TOO_LARGE)
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on whose length may be unknown; too long a body ends as a disconnect."""
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message if received <= LARGEST_BODY else {"type": "http.disconnect"}

        await self._app(scope, bounded, send)


class Library(Protocol):
    """Open WebUI's records of knowledge bases and files."""

    async def knowledge_owner(self, knowledge_id: str) -> str | None:
        """Return the id of the user who owns a knowledge base; ``None`` when there is none."""

    async def tenants(self, knowledge_id: str) -> set[str]:
        """Return the keys of the tenants whose group may write to a knowledge base."""

    async def may_write(self, knowledge_id: str, user_id: str) -> bool:
        """Return True if there is a knowledge base that a user may write to."""

    async def file_owners(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Return the owner of each file that exists."""

    async def directory(self, knowledge_id: str, directory_id: str) -> tuple[set[str], set[str]]:
        """Return the owners of a directory and of those below it, and the ids of all files in them."""

    async def parent_directory(self, directory_id: str) -> str | None:
        """Return the id of the directory above one; ``None`` for the top one."""

    async def directories_of(self, file_id: str) -> list[tuple[str, str | None]]:
        """Return each knowledge base that has a file, and the file's directory in it."""

    async def owners_of_names(
        self, knowledge_id: str, directory_id: str | None, filenames: Iterable[str]
    ) -> dict[str, set[str]]:
        """Return who owns the files of these names in one directory of a knowledge base."""

    async def filenames(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Return the name of each file that exists."""

    async def annotate(self, file_ids: Iterable[str], notes: Mapping[str, str]) -> None:
        """Store notes in the metadata of the files that exist."""

    async def access_token(self, request: Request, user_id: str) -> str:
        """Return a valid Keycloak access token of a user's newest session; empty when there is none."""

    async def gateway_url(self) -> str:
        """Return the address of the gateway; empty when none is set yet."""

    async def groups(self, user_id: str) -> set[str]:
        """Return the names of a user's groups."""


class Rights:
    """Decides who may change what.

    Parameters
    ----------
    http
        Client for the gateway, which says from a person's own token whether they administer a tenant.
    """

    def __init__(self, library: Library, http: httpx.AsyncClient) -> None:
        self.library = library
        self._http = http

    async def require_base(self, request: Request, user: User) -> None:
        """Refuse a change of a knowledge base that is not the user's."""
        if await self._base_owner(request) != user.id:
            raise HTTPException(403, NOT_YOUR_BASE)

    async def require_own(self, file_ids: Iterable[str], user: User) -> None:
        """Refuse unless all files are the user's; files that do not exist are the route's concern."""
        if set((await self.library.file_owners(file_ids)).values()) - {user.id}:
            raise HTTPException(403, NOT_YOURS)

    async def require_writable(self, knowledge_id: str, user: User) -> None:
        """Refuse to send a file to a knowledge base that the user may not write to, or that is gone."""
        if not await self.library.may_write(knowledge_id, user.id):
            raise HTTPException(403, NO_PLACE)

    async def require_free_name(
        self, knowledge_id: str, directory_id: str | None, filename: str, user: User
    ) -> None:
        """Refuse a file whose name only colleagues' files have in the same directory of a knowledge base.

        A colleague may have taken the name of the user's own file meanwhile. file-sync, which knows whose
        document has the name, decides then.
        """
        found = await self.library.owners_of_names(knowledge_id, directory_id, [filename])
        owners = found.get(filename, set())
        if owners and user.id not in owners:
            raise HTTPException(409, NOT_YOUR_NAME.format(name=filename))

    async def require_free_names_above(
        self, knowledge_id: str, directory_id: str, file_ids: Iterable[str]
    ) -> None:
        """Refuse to move a directory's files into the one above where two people's would have one name."""
        owners, names = await self.library.file_owners(file_ids), await self.library.filenames(file_ids)
        parent = await self.library.parent_directory(directory_id)
        people = await self.library.owners_of_names(knowledge_id, parent, set(names.values()))
        for file_id, filename in names.items():
            people.setdefault(filename, set()).add(owners[file_id])
            if len(people[filename]) > 1:
                raise HTTPException(409, NOT_YOUR_NAME.format(name=filename))

    async def require_removable(
        self, request: Request, user: User, file_ids: set[str], others: Iterable[str] = ()
    ) -> None:
        """Refuse to remove a colleague's files, unless the user administers the tenant; note who removes.

        Parameters
        ----------
        others
            Owners of what goes with the files.
        """
        owners = await self.library.file_owners(file_ids)
        foreign = (set(owners.values()) | set(others)) - {user.id}
        if foreign and await self._base_owner(request) != user.id:
            await self._require_administrator(request, user)
        await self.library.annotate(owners, {REMOVED_BY: user.id})

    async def _base_owner(self, request: Request) -> str | None:
        return await self.library.knowledge_owner(request.path_params["id"])

    async def _require_administrator(self, request: Request, user: User) -> None:
        """Refuse a user who is no administrator of the tenant that the knowledge base belongs to."""
        tenants = await self.library.tenants(request.path_params["id"])
        token = await self.library.access_token(request, user.id)
        if not token:
            raise HTTPException(403, NOT_YOURS)
        url = f"{(await self.library.gateway_url()).rstrip('/')}/v1/me"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            response = await self._http.get(url, headers=headers, timeout=GATEWAY_SECONDS)
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
            raise HTTPException(403, NOT_YOURS)


async def allow(_rights: Rights, _request: Request, _user: User) -> None:
    """Leave the decision to Open WebUI: the route adds, reads, or is for its administrators alone."""


def refuse(sentence: str) -> Rule:
    """Return a rule that refuses everybody."""

    async def rule(_rights: Rights, _request: Request, _user: User) -> None:
        raise HTTPException(403, sentence)

    return rule


async def own_account(_rights: Rights, request: Request, user: User) -> None:
    """Allow people what is about themselves."""
    if request.path_params["user_id"] != user.id:
        raise HTTPException(403, NO_PEOPLE)


async def own_base(rights: Rights, request: Request, user: User) -> None:
    """Allow a change of the knowledge base itself to its owner."""
    await rights.require_base(request, user)


async def upload(rights: Rights, request: Request, user: User) -> None:
    """Refuse an upload into a knowledge base that is closed to the user, or under a colleague's file's name.

    Open WebUI stores the file first, and asks for the right when it has been read.
    """
    form = await request.form()
    metadata, filename = form.get("metadata"), getattr(form.get("file"), "filename", None)
    try:
        asked = json.loads(metadata) if isinstance(metadata, str) else {}
    except ValueError:
        asked = {}
    if isinstance(asked, dict) and isinstance(asked.get("knowledge_id"), str) and filename:
        await rights.require_writable(asked["knowledge_id"], user)
        name = Path(filename).name
        await rights.require_free_name(asked["knowledge_id"], _directory(asked), name, user)


async def own_file(rights: Rights, request: Request, user: User) -> None:
    """Allow a change of a file to its owner."""
    await rights.require_own([request.path_params["id"]], user)


async def rename(rights: Rights, request: Request, user: User) -> None:
    """Allow to give one's own file a name that no colleague's file has where it is."""
    file_id = request.path_params["id"]
    await rights.require_own([file_id], user)
    filename = _text(await _body(request), "filename")
    for knowledge_id, directory_id in await rights.library.directories_of(file_id):
        await rights.require_free_name(knowledge_id, directory_id, filename, user)


async def add(rights: Rights, request: Request, user: User) -> None:
    """Allow to add one's own files to a knowledge base, under names that no colleague's file has."""
    forms = await _body(request)
    forms = forms if isinstance(forms, list) else [forms]
    directories = {_text(form, "file_id"): _directory(form) for form in forms}
    knowledge_id = request.path_params["id"]
    await rights.require_writable(knowledge_id, user)
    await rights.require_own(directories, user)
    for file_id, filename in (await rights.library.filenames(directories)).items():
        await rights.require_free_name(knowledge_id, directories[file_id], filename, user)
    notes = {ADDED_TO: knowledge_id, REMOVED_BY: ""}
    await rights.library.annotate(directories, notes)


async def change(rights: Rights, request: Request, user: User) -> None:
    """Allow a change of a file's entry in a knowledge base to the file's owner."""
    await rights.require_own([_text(await _body(request), "file_id")], user)


async def move(rights: Rights, request: Request, user: User) -> None:
    """Allow to move one's own file to a directory in which no colleague's file has its name."""
    form = await _body(request)
    file_id = _text(form, "file_id")
    await rights.require_own([file_id], user)
    for filename in (await rights.library.filenames([file_id])).values():
        await rights.require_free_name(request.path_params["id"], _directory(form), filename, user)


async def remove(rights: Rights, request: Request, user: User) -> None:
    """Allow to remove a file to its owner and to administrators of the tenant."""
    await rights.require_removable(request, user, {_text(await _body(request), "file_id")})


async def clean_up(rights: Rights, request: Request, user: User) -> None:
    """Allow the last step of Open WebUI's folder synchronisation like each removal that it consists of."""
    form = await _body(request)
    file_ids, owners = set(_texts(form, "file_ids")), set[str]()
    for directory_id in _texts(form, "dir_ids"):
        above, inside = await rights.library.directory(request.path_params["id"], directory_id)
        owners |= above
        file_ids |= inside
    await rights.require_removable(request, user, file_ids, owners)


async def remove_directory(rights: Rights, request: Request, user: User) -> None:
    """Allow to remove a directory when all in it is the user's, and to administrators of the tenant.

    Unless asked otherwise, Open WebUI moves its files into the directory above.
    """
    path = request.path_params
    owners, file_ids = await rights.library.directory(path["id"], path["dir_id"])
    if request.query_params.get("move_files", "").lower() not in ("false", "0", "off", "no", "f", "n"):
        await rights.require_free_names_above(path["id"], path["dir_id"], file_ids)
    await rights.require_removable(request, user, file_ids, owners)


async def change_directory(rights: Rights, request: Request, user: User) -> None:
    """Allow to rename or move a directory when all in it is the user's."""
    path = request.path_params
    owners, file_ids = await rights.library.directory(path["id"], path["dir_id"])
    await rights.require_own(file_ids, user)
    if owners - {user.id}:
        raise HTTPException(403, NOT_YOURS)


KNOWLEDGE: Mapping[str, Rule] = {
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
    "POST /{id}/update": own_base,
    "POST /{id}/access/update": own_base,
    "DELETE /{id}/delete": own_base,
    "POST /{id}/reset": refuse(NO_RESET),
    "POST /{id}/file/add": add,
    "POST /{id}/files/batch/add": add,
    "POST /{id}/file/update": change,
    "POST /{id}/file/move": move,
    "POST /{id}/file/remove": remove,
    "POST /{id}/sync/diff": allow,
    "POST /{id}/sync/cleanup": clean_up,
    "POST /{id}/dirs/create": allow,
    "POST /{id}/dirs/{dir_id}/update": change_directory,
    "DELETE /{id}/dirs/{dir_id}/delete": remove_directory,
}
"""Rules of the routes under ``/api/v1/knowledge``; those with ``external`` are for administrators alone."""

FILES: Mapping[str, Rule] = {
    "POST /": upload,
    "DELETE /all": refuse(NO_RULE),
    "POST /{id}/data/content/update": own_file,
    "POST /{id}/rename": rename,
    "DELETE /{id}": own_file,
}
"""Rules of the routes under ``/api/v1/files``."""

USERS: Mapping[str, Rule] = {
    "GET /search": refuse(NO_PEOPLE),
    "GET /{user_id}/info": own_account,
    "GET /{user_id}/active": own_account,
    "GET /{user_id}/profile/image": own_account,
}
"""Rules of routes under ``/api/v1/users``: they show people of all tenants."""

GROUPS: Mapping[str, Rule] = {"GET /id/{id}/info": refuse(NO_PEOPLE)}
"""Rules of routes under ``/api/v1/groups``."""

CHATS: Mapping[str, Rule] = {"POST /import": refuse(NO_IMPORT)}
"""Rules of routes under ``/api/v1/chats``.

By its times and models a chat is found when its tenant is erased; an imported one could name any.
"""

FOR_EVERYBODY = frozenset(
    {"POST /{id}/reset", "DELETE /all", "GET /search", "GET /id/{id}/info", "POST /import"}
)
"""Routes that are refused to Open WebUI's administrators, too."""


def protect(
    router: APIRouter, rules: Mapping[str, Rule], rights: Rights, user: Callable[..., Any], *, complete: bool
) -> None:
    """Make each rule a dependency of its route, before the router is included in an application.

    Parameters
    ----------
    user
        The dependency that returns the signed-in user.
    complete
        Whether routes without a rule that change something are refused.

    Raises
    ------
    LookupError
        A rule has no route: this is a version of Open WebUI that the guard does not know.
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
        changes = name.split()[0] not in ("GET", "HEAD", "OPTIONS")
        rule = rules.get(name, refuse(NO_RULE) if complete and changes else allow)
        if rule is allow:
            continue
        route.dependencies.append(
            Depends(_dependency(rule, rights, user, for_everybody=name in FOR_EVERYBODY))
        )


def explain(router: APIRouter, library: Library, user: Callable[..., Any], notice: str) -> None:
    """Add a notice to the banners of people without a tenant, before the router is included.

    Open WebUI has one list of banners for everybody.

    Raises
    ------
    LookupError
        The router has no route for banners: this is a version of Open WebUI that the guard does not know.
    """
    at = next((at for at, route in enumerate(router.routes) if _is_list_of_banners(route)), None)
    if at is None:
        raise LookupError("Open WebUI has no route 'GET /banners': the guard does not know this version.")
    listed: Any = router.routes[at]

    async def banners(request: Request, caller: Any = Depends(user)) -> Any:  # noqa: B008 (FastAPI's way)
        shown = list(await listed.endpoint(request, caller) or ())
        has_tenant = any(name.startswith(TENANT_GROUP) for name in await library.groups(caller.id))
        return shown if has_tenant or caller.role == "admin" else [*shown, _banner(notice)]

    router.add_api_route(
        "/banners", banners, methods=["GET"], response_model=listed.response_model, name=listed.name
    )
    router.routes[at] = router.routes.pop()


def _is_list_of_banners(route: Any) -> bool:
    return isinstance(route, APIRoute) and route.path.endswith("/banners") and "GET" in route.methods


def _banner(notice: str) -> dict[str, Any]:
    return {
        "id": "tenantry-no-tenant",
        "type": "warning",
        "title": "",
        "content": notice,
        "dismissible": False,
        "timestamp": 0,
    }


def _dependency(
    rule: Rule, rights: Rights, user: Callable[..., Any], *, for_everybody: bool
) -> Callable[..., Awaitable[None]]:
    async def check(request: Request, caller: Any = Depends(user)) -> None:  # noqa: B008 (FastAPI's way)
        if for_everybody or caller.role != "admin":
            await rule(rights, request, caller)

    return check


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError as exc:
        raise HTTPException(422, "The body must be JSON.") from exc


def _text(form: Any, name: str) -> str:
    if not isinstance(form, dict) or not isinstance(form.get(name), str):
        raise HTTPException(422, f"{name} is missing.")
    value: str = form[name]
    return value


def _directory(form: Mapping[str, Any]) -> str | None:
    value = form.get("directory_id")
    return value if isinstance(value, str) and value else None


def _texts(form: Any, name: str) -> list[str]:
    values = form.get(name, []) if isinstance(form, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise HTTPException(422, f"{name} must be a list of ids.")
    return values


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Database:
    """Library in Open WebUI's own database, through its models: only its process has them."""

    async def knowledge_owner(self, knowledge_id: str) -> str | None:
        """Return the id of the user who owns a knowledge base; ``None`` when there is none."""
        from open_webui.models.knowledge import Knowledge
        from sqlalchemy import select

        rows = await _rows(select(Knowledge.user_id).where(Knowledge.id == knowledge_id))
        return rows[0][0] if rows else None

    async def tenants(self, knowledge_id: str) -> set[str]:
        """Return the keys of the tenants whose group may write to a knowledge base."""
        from open_webui.models.access_grants import AccessGrant
        from open_webui.models.groups import Group
        from sqlalchemy import select

        rows = await _rows(
            select(Group.name)
            .join(AccessGrant, AccessGrant.principal_id == Group.id)
            .where(
                AccessGrant.resource_type == "knowledge",
                AccessGrant.resource_id == knowledge_id,
                AccessGrant.principal_type == "group",
                AccessGrant.permission == "write",
            )
        )
        return {name.removeprefix(TENANT_GROUP) for (name,) in rows if name.startswith(TENANT_GROUP)}

    async def may_write(self, knowledge_id: str, user_id: str) -> bool:
        """Return True if there is a knowledge base that a user may write to."""
        from open_webui.models.access_grants import AccessGrants

        owner = await self.knowledge_owner(knowledge_id)
        return owner is not None and (
            owner == user_id
            or await AccessGrants.has_access(
                user_id=user_id, resource_type="knowledge", resource_id=knowledge_id, permission="write"
            )
        )

    async def file_owners(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Return the owner of each file that exists."""
        from open_webui.models.files import File
        from sqlalchemy import select

        return dict(await _rows(select(File.id, File.user_id).where(File.id.in_(list(file_ids)))))

    async def filenames(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Return the name of each file that exists."""
        from open_webui.models.files import File
        from sqlalchemy import select

        return dict(await _rows(select(File.id, File.filename).where(File.id.in_(list(file_ids)))))

    async def directory(self, knowledge_id: str, directory_id: str) -> tuple[set[str], set[str]]:
        """Return the owners of a directory and of those below it, and the ids of all files in them."""
        from open_webui.models.knowledge import KnowledgeDirectory, KnowledgeFile
        from sqlalchemy import select

        directories = await _rows(
            select(KnowledgeDirectory.id, KnowledgeDirectory.parent_id, KnowledgeDirectory.user_id).where(
                KnowledgeDirectory.knowledge_id == knowledge_id
            )
        )
        inside = {directory_id}
        while more := {each for each, parent, _ in directories if parent in inside} - inside:
            inside |= more
        files = await _rows(
            select(KnowledgeFile.file_id).where(
                KnowledgeFile.knowledge_id == knowledge_id, KnowledgeFile.directory_id.in_(list(inside))
            )
        )
        return {owner for each, _, owner in directories if each in inside}, {file_id for (file_id,) in files}

    async def parent_directory(self, directory_id: str) -> str | None:
        """Return the id of the directory above one; ``None`` for the top one."""
        from open_webui.models.knowledge import KnowledgeDirectory
        from sqlalchemy import select

        rows = await _rows(select(KnowledgeDirectory.parent_id).where(KnowledgeDirectory.id == directory_id))
        return next((parent for (parent,) in rows), None)

    async def directories_of(self, file_id: str) -> list[tuple[str, str | None]]:
        """Return each knowledge base that has a file, and the file's directory in it."""
        from open_webui.models.knowledge import KnowledgeFile
        from sqlalchemy import select

        rows = await _rows(
            select(KnowledgeFile.knowledge_id, KnowledgeFile.directory_id).where(
                KnowledgeFile.file_id == file_id
            )
        )
        return [(knowledge_id, directory_id) for knowledge_id, directory_id in rows]

    async def owners_of_names(
        self, knowledge_id: str, directory_id: str | None, filenames: Iterable[str]
    ) -> dict[str, set[str]]:
        """Return who owns the files of these names in one directory of a knowledge base."""
        from open_webui.models.files import File
        from open_webui.models.knowledge import KnowledgeFile
        from sqlalchemy import select

        rows = await _rows(
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

    async def annotate(self, file_ids: Iterable[str], notes: Mapping[str, str]) -> None:
        """Store notes in the metadata of the files that exist."""
        from open_webui.models.files import File, Files
        from sqlalchemy import select

        for file_id, meta in await _rows(select(File.id, File.meta).where(File.id.in_(list(file_ids)))):
            if any((meta or {}).get(name, "") != note for name, note in notes.items()):
                await Files.update_file_metadata_by_id(file_id, dict(notes))

    async def access_token(self, request: Request, user_id: str) -> str:
        """Return a valid Keycloak access token of a user's newest session; empty when there is none."""
        from open_webui.models.oauth_sessions import OAuthSessions

        sessions = [
            session
            for session in await OAuthSessions.get_sessions_by_user_id(user_id)
            if not session.provider.startswith("mcp:")  # logins of tools, not of the person
        ]
        newest = max(sessions, key=lambda session: session.created_at, default=None)
        if newest is None:
            return ""
        token = await request.app.state.oauth_manager.get_oauth_token(user_id, newest.id)
        return str((token or {}).get("access_token") or "")

    async def gateway_url(self) -> str:
        """Return the address of the gateway; empty when none is set yet.

        The installer writes it into the settings of the event function, which asks the gateway the same.
        """
        from open_webui.models.functions import Functions

        valves = await Functions.get_function_valves_by_id(EVENT_FUNCTION)
        return str((valves or {}).get("gateway_url") or "")

    async def groups(self, user_id: str) -> set[str]:
        """Return the names of a user's groups."""
        from open_webui.models.groups import Groups

        return {group.name for group in await Groups.get_groups_by_member_id(user_id)}


async def _rows(statement: Any) -> Any:
    from open_webui.internal.db import get_async_db_context

    async with get_async_db_context() as session:
        return (await session.execute(statement)).all()


def guarded() -> Guard:
    """Return Open WebUI with the guard in front of it.

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
        raise RuntimeError("open_webui.main was imported before its routes were guarded.")
    rights = Rights(Database(), httpx.AsyncClient())
    protect(knowledge.router, KNOWLEDGE, rights, get_verified_user, complete=True)
    protect(files.router, FILES, rights, get_verified_user, complete=True)
    protect(users.router, USERS, rights, get_verified_user, complete=False)
    protect(groups.router, GROUPS, rights, get_verified_user, complete=False)
    protect(chats.router, CHATS, rights, get_verified_user, complete=False)
    if notice := os.environ.get(NOTICE_VARIABLE, ""):
        explain(configs.router, rights.library, get_verified_user, notice)
    from open_webui.main import app

    return Guard(app)


if __name__ == "__main__":
    uvicorn.run(
        guarded(),
        host=os.environ.get("HOST", "0.0.0.0"),
        port=int(os.environ.get("PORT", "8080")),
        forwarded_allow_ips="*",
        server_header=False,
    )
