"""Keycloak's admin API, as much of it as a tenant's group needs.

Source: https://www.keycloak.org/docs-api/latest/rest-api/index.html
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from tenancy.remote import Fault, Remote

__all__ = ["Keycloak"]

PAGE = 100
"""Keycloak's cost of a page grows faster than the page."""

TOKEN_MARGIN_SECONDS = 10.0
"""An admin token lives about a minute; it is renewed this long before its end."""

CALL_SECONDS = 10.0


class Keycloak:
    """One realm, as an administrator of groups and users.

    Parameters
    ----------
    url
        Base URL, without ``/realms``.
    realm
        The realm.
    client_id, client_secret
        A client with a service account that may manage users.
    http
        Client to use; the caller closes it.
    """

    def __init__(
        self, url: str, realm: str, client_id: str, client_secret: str, http: httpx.AsyncClient
    ) -> None:
        self.realm = realm
        self._token_url = f"{url.rstrip('/')}/realms/{realm}/protocol/openid-connect/token"
        self._admin_url = f"{url.rstrip('/')}/admin/realms/{realm}"
        self._credentials = {
            "grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret,
        }  # fmt: skip
        self._http = http
        self._remote = Remote("keycloak", classify, timeout=CALL_SECONDS)
        self._token = ""
        self._expires = 0.0
        self._renewing = asyncio.Lock()

    async def group_by_path(self, path: str) -> dict[str, Any] | None:
        """Return a group with its attributes, or ``None``."""
        return await self._get("get-group", f"/group-by-path{path}")

    async def group_by_id(self, group_id: str) -> dict[str, Any] | None:
        """Return a group with its attributes, or ``None``."""
        return await self._get("get-group", f"/groups/{group_id}")

    async def create_group(
        self, parent_id: str | None, representation: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Make a group; ``None`` when another made it a moment ago."""
        path = f"/groups/{parent_id}/children" if parent_id else "/groups"
        response = await self._send(
            "create-group", "POST", path, json=representation, absent=httpx.codes.CONFLICT
        )
        if response is None:
            return None
        group: dict[str, Any] = {"id": response.headers["location"].rpartition("/")[2], **representation}
        return group

    async def update_group(self, group_id: str, representation: dict[str, Any]) -> None:
        """Give a group its name and attributes."""
        await self._send("update-group", "PUT", f"/groups/{group_id}", json=representation)

    async def move_group(self, group_id: str, name: str, parent_id: str) -> None:
        """Put a group under another parent."""
        body = {"id": group_id, "name": name}
        await self._send("move-group", "POST", f"/groups/{parent_id}/children", json=body)

    async def delete_group(self, group_id: str) -> None:
        """Delete a group with its sub-groups; one that is gone already is fine."""
        await self._send("delete-group", "DELETE", f"/groups/{group_id}", absent=httpx.codes.NOT_FOUND)

    async def members(self, group_id: str) -> list[dict[str, Any]]:
        """Return the direct members of a group."""
        params = {"briefRepresentation": "true"}
        return [user async for user in self._pages("list-members", f"/groups/{group_id}/members", params)]

    async def verified_users(self, term: str) -> list[dict[str, Any]]:
        """Return the users whose e-mail contains ``term`` and is verified."""
        params = {"email": term, "emailVerified": "true", "briefRepresentation": "true"}
        return [user async for user in self._pages("search-users", "/users", params)]

    async def join(self, user_id: str, group_id: str) -> None:
        """Put a user into a group."""
        await self._send("join-group", "PUT", f"/users/{user_id}/groups/{group_id}")

    async def leave(self, user_id: str, group_id: str) -> None:
        """Take a user out of a group."""
        path = f"/users/{user_id}/groups/{group_id}"
        await self._send("leave-group", "DELETE", path, absent=httpx.codes.NOT_FOUND)

    async def _get(self, operation: str, path: str) -> dict[str, Any] | None:
        response = await self._send(operation, "GET", path, absent=httpx.codes.NOT_FOUND)
        if response is None:
            return None
        found: dict[str, Any] = response.json()
        return found

    async def _pages(
        self, operation: str, path: str, params: dict[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        first = 0
        while True:
            page = params | {"first": str(first), "max": str(PAGE)}
            response = await self._send(operation, "GET", path, params=page, absent=httpx.codes.NOT_FOUND)
            found = response.json() if response else []
            for each in found:
                yield each
            if len(found) < PAGE:
                return
            first += PAGE

    async def _send(
        self, operation: str, method: str, path: str, *, absent: int | None = None, **arguments: Any
    ) -> httpx.Response | None:
        """Make one call; ``None`` when it was answered with the status ``absent``."""

        async def call() -> httpx.Response | None:
            headers = {"Authorization": f"Bearer {await self._access_token()}"}
            response = await self._http.request(method, self._admin_url + path, headers=headers, **arguments)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                # Keycloak was restarted or its keys rotated: the next attempt logs in anew.
                self._expires = 0.0
            if response.status_code == absent:
                return None
            response.raise_for_status()
            return response

        return await self._remote.call(operation, call)

    async def _access_token(self) -> str:
        async with self._renewing:
            now = asyncio.get_running_loop().time()
            if now >= self._expires:
                response = await self._http.post(self._token_url, data=self._credentials)
                response.raise_for_status()
                granted = response.json()
                self._token = granted["access_token"]
                self._expires = now + float(granted["expires_in"]) - TOKEN_MARGIN_SECONDS
            return self._token


def classify(exc: Exception) -> Fault | None:
    """Say what a failed call means. 401 is transient: a token may have died with Keycloak's restart."""
    match exc:
        case httpx.HTTPStatusError(response=response):
            code = response.status_code
            return Fault.TRANSIENT if code >= 500 or code in (401, 408, 409, 429) else Fault.PERMANENT
        case httpx.HTTPError():
            return Fault.TRANSIENT
        case _:
            return None
