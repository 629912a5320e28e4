"""Open WebUI's REST API, as much of it as a tenant's workspace needs; spoken as its administrator.

Two things to know of it (0.12.4). What fails inside often comes back as 400, and a query that fails as "not
found" or as an empty list: nothing found is therefore no proof that there is nothing. And signing in is
limited to 15 times in three minutes an account, failed or not, so a token is kept until it is refused.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import httpx
from tenancy.remote import Fault, Remote

__all__ = ["OpenWebui"]

CALL_SECONDS = 20.0
"""Making a knowledge base waits for an embedding of its name."""

SIGN_IN_PAUSE_SECONDS = 20.0
"""After a sign-in that failed, the next one waits this long; a token younger than this is not replaced."""

GROUPS_SECONDS = 30.0
"""How long a list of all groups is used: the API cannot be asked for one by its name."""

PAGE = 30
"""Entries of a page of any list; the API decides."""

FILES = 100
"""Files of a knowledge base that are asked for at once."""


Found = dict[str, Any] | None


class SignInRefused(Exception):
    """The account cannot be signed in to, or is no administrator's."""


class OpenWebui:
    """One Open WebUI.

    Parameters
    ----------
    url
        Base URL.
    email, password
        An administrator's account.
    http
        Client to use; the caller closes it.
    """

    def __init__(self, url: str, email: str, password: str, http: httpx.AsyncClient) -> None:
        self._url = f"{url.rstrip('/')}/api/v1"
        self._credentials = {"email": email, "password": password}
        self._http = http
        self._remote = Remote("open-webui", classify, timeout=CALL_SECONDS)
        # What makes something new is not repeated blindly: its first attempt may have arrived.
        self._once = Remote("open-webui", classify, timeout=CALL_SECONDS, attempts=1)
        self._token = ""
        self._signed_in = 0.0
        self._refusal: tuple[float, Exception] | None = None
        self._signing_in = asyncio.Lock()
        self._groups: defaultdict[str, list[str]] | None = None
        self._groups_listed = 0.0
        self._listing_groups = asyncio.Lock()

    async def group(self, group_id: str) -> Found:
        """Return a group with the ids of its direct members (``user_ids``), or ``None``."""
        return await self._find("get-group", f"/groups/id/{group_id}/export", 404)

    async def group_ids(self, name: str) -> list[str]:
        """Return the ids of the groups of that name, the oldest first; up to half a minute old."""
        async with self._listing_groups:
            now = asyncio.get_running_loop().time()
            if self._groups is None or now >= self._groups_listed + GROUPS_SECONDS:
                listed = await self._get("list-groups", "/groups/")
                self._groups = defaultdict(list)
                self._groups_listed = now
                for group in sorted(listed, key=lambda each: (each["created_at"], each["id"])):
                    self._groups[group["name"]].append(group["id"])
        return list(self._groups.get(name, ()))

    async def create_group(self, form: dict[str, Any]) -> str:
        """Make a group; return its id."""
        try:
            made = await self._post("create-group", "/groups/create", form, remote=self._once)
        except BaseException:
            self._groups = None  # it may be there all the same
            raise
        if self._groups is not None:
            self._groups[form["name"]].append(made["id"])
        return str(made["id"])

    async def update_group(self, group_id: str, form: dict[str, Any]) -> None:
        """Give a group its name, description and parent."""
        await self._post("update-group", f"/groups/id/{group_id}/update", form)

    async def delete_group(self, group_id: str) -> None:
        """Delete a group and every grant to it; one that is gone already is fine."""
        self._groups = None
        await self._send("delete-group", "DELETE", f"/groups/id/{group_id}/delete", absent=404)

    async def add_members(self, group_id: str, user_ids: list[str]) -> None:
        """Put users into a group."""
        await self._post("add-members", f"/groups/id/{group_id}/users/add", {"user_ids": user_ids})

    async def remove_members(self, group_id: str, user_ids: list[str]) -> None:
        """Take users out of a group."""
        await self._post("remove-members", f"/groups/id/{group_id}/users/remove", {"user_ids": user_ids})

    async def users(self, term: str) -> list[dict[str, Any]]:
        """Return the users whose name or e-mail contains ``term``."""
        params = {"query": term, "order_by": "email", "direction": "asc"}
        return [user async for user in self._pages("search-users", "/users/", "users", params)]

    async def user(self, user_id: str) -> Found:
        """Return a user, or ``None``."""
        return await self._find("get-user", f"/users/{user_id}", 400)

    async def models(self, tag: str) -> list[dict[str, Any]]:
        """Return the models in whose ``meta`` the string ``tag`` stands as a value."""
        params = {"tag": tag, "order_by": "name", "direction": "asc"}
        return [model async for model in self._pages("search-models", "/models/list", "items", params)]

    async def model(self, model_id: str) -> Found:
        """Return a model, or ``None``."""
        return await self._find("get-model", "/models/model", 404, {"id": model_id})

    async def create_model(self, form: dict[str, Any]) -> None:
        """Make a model with its grants."""
        await self._post("create-model", "/models/create", form, remote=self._once)

    async def update_model(self, form: dict[str, Any]) -> None:
        """Replace what a model is; its grants stay."""
        await self._post("update-model", "/models/model/update", form)

    async def set_model_access(self, model_id: str, grants: list[dict[str, str]]) -> None:
        """Replace the grants of a model."""
        await self._post(
            "grant-model", "/models/model/access/update", {"id": model_id, "access_grants": grants}
        )

    async def delete_model(self, model_id: str) -> None:
        """Delete a model that is there."""
        await self._post("delete-model", "/models/model/delete", {"id": model_id})

    async def knowledge_bases(self, marker: str) -> list[dict[str, Any]]:
        """Return the knowledge bases whose description contains ``marker``, with their ``file_count``."""
        params = {"query": marker, "order_by": "created_at", "direction": "asc"}
        found = self._pages("search-knowledge", "/knowledge/search", "items", params)
        return [each async for each in found if marker in each["description"]]

    async def knowledge_base(self, knowledge_id: str) -> Found:
        """Return a knowledge base without its ``file_count``, or ``None``."""
        return await self._find("get-knowledge", f"/knowledge/{knowledge_id}", 404)

    async def create_knowledge_base(self, form: dict[str, Any]) -> str:
        """Make a knowledge base with its grants; return its id."""
        made = await self._post("create-knowledge", "/knowledge/create", form, remote=self._once)
        return str(made["id"])

    async def update_knowledge_base(self, knowledge_id: str, form: dict[str, str]) -> None:
        """Give a knowledge base its name and description; grants and files stay."""
        await self._post("update-knowledge", f"/knowledge/{knowledge_id}/update", form)

    async def set_knowledge_access(self, knowledge_id: str, grants: list[dict[str, str]]) -> None:
        """Replace the grants of a knowledge base."""
        form = {"access_grants": grants}
        await self._post("grant-knowledge", f"/knowledge/{knowledge_id}/access/update", form)

    async def delete_knowledge_base(self, knowledge_id: str) -> None:
        """Delete a knowledge base that is there; files that it still has stay with their owners."""
        await self._send("delete-knowledge", "DELETE", f"/knowledge/{knowledge_id}/delete")

    async def files(self, knowledge_id: str) -> list[str]:
        """Return ids of files of a knowledge base: a page of those it has, and all that are on the way."""
        path = f"/knowledge/{knowledge_id}/files"
        linked, pending = await asyncio.gather(
            self._get("list-files", path, {"limit": str(FILES)}), self.pending_files(knowledge_id)
        )
        return [each["id"] for each in linked["items"]] + pending

    async def pending_files(self, knowledge_id: str) -> list[str]:
        """Return ids of the files that were sent to a knowledge base and are being read."""
        pending = await self._get("list-pending-files", f"/knowledge/{knowledge_id}/files/pending")
        return [each["id"] for each in pending]

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; one that is gone already is fine."""
        await self._send("delete-file", "DELETE", f"/files/{file_id}", absent=404)

    async def _get(self, operation: str, path: str, params: dict[str, str] | None = None) -> Any:
        response = await self._send(operation, "GET", path, params=params)
        return response.json() if response else None

    async def _find(
        self, operation: str, path: str, absent: int, params: dict[str, str] | None = None
    ) -> Found:
        response = await self._send(operation, "GET", path, params=params, absent=absent)
        found: Found = response.json() if response else None
        return found

    async def _post(self, operation: str, path: str, form: Any, *, remote: Remote | None = None) -> Any:
        response = await self._send(operation, "POST", path, json=form, remote=remote)
        return response.json() if response else None

    async def _pages(
        self, operation: str, path: str, entries: str, params: dict[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        page = 0
        while True:
            page += 1
            answer = await self._get(operation, path, params | {"page": str(page)})
            for each in answer[entries]:
                yield each
            if page * PAGE >= answer["total"]:
                return

    async def _send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        absent: int | None = None,
        remote: Remote | None = None,
        **arguments: Any,
    ) -> httpx.Response | None:
        """Make one call; ``None`` when it was answered with the status ``absent``."""

        async def call() -> httpx.Response | None:
            token = await self._access_token()
            headers = {"Authorization": f"Bearer {token}"}
            response = await self._http.request(
                method, self._url + path, headers=headers, timeout=CALL_SECONDS, **arguments
            )
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._distrust(token)
            if response.status_code == absent:
                return None
            _check(response)
            return response

        return await (remote or self._remote).call(operation, call)

    def _distrust(self, token: str) -> None:
        """Drop a token that was refused, so that the next attempt signs in: it expired, or the keys changed.

        Not a new one: some answers say 401 for what is not there, and signing in again would not help.
        """
        age = asyncio.get_running_loop().time() - self._signed_in
        if token == self._token and age >= SIGN_IN_PAUSE_SECONDS:
            self._token = ""

    async def _access_token(self) -> str:
        async with self._signing_in:
            now = asyncio.get_running_loop().time()
            if self._token:
                return self._token
            if self._refusal and now < self._refusal[0] + SIGN_IN_PAUSE_SECONDS:
                raise self._refusal[1].with_traceback(None)
            try:
                self._token = await self._sign_in()
            except (SignInRefused, httpx.HTTPStatusError) as exc:
                self._refusal = (now, exc)
                raise
            self._signed_in, self._refusal = now, None
            return self._token

    async def _sign_in(self) -> str:
        response = await self._http.post(
            f"{self._url}/auths/signin", json=self._credentials, timeout=CALL_SECONDS
        )
        if response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.FORBIDDEN):
            raise SignInRefused(f"signing in as {self._credentials['email']} was refused: {_words(response)}")
        _check(response)
        account = response.json()
        if account["role"] != "admin":
            raise SignInRefused(f"{self._credentials['email']} is no administrator")
        return str(account["token"])


def classify(exc: Exception) -> Fault | None:
    """Say what a failed call means. 400 and 401 are no refusals here, see above and ``_distrust``."""
    match exc:
        case SignInRefused():
            return Fault.PERMANENT
        case httpx.HTTPStatusError(response=response):
            code = response.status_code
            return Fault.TRANSIENT if code >= 500 or code in (400, 401, 408, 409, 429) else Fault.PERMANENT
        case httpx.HTTPError():
            return Fault.TRANSIENT
        case _:
            return None


def _check(response: httpx.Response) -> None:
    if response.is_error:
        told = f"{response.status_code} at {response.request.url.path}: {_words(response)}"
        raise httpx.HTTPStatusError(told, request=response.request, response=response)


def _words(response: httpx.Response) -> str:
    """Return what the answer says went wrong."""
    try:
        return str(response.json()["detail"])[:200]
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
