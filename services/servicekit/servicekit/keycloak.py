"""Client of Keycloak's admin API, authenticated as a client with a service account.

Source: https://www.keycloak.org/docs-api/latest/rest-api/index.html
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx

from .remote import FailureClass, Remote

__all__ = ["KeycloakAdmin", "classify"]

PAGE_SIZE = 100
"""Number of entries per page. The time that Keycloak takes for a page grows faster than this number."""

TOKEN_MARGIN_SECONDS = 10.0
"""Time before its expiry at which an admin token is renewed; a token lives about a minute."""

CALL_TIMEOUT_SECONDS = 10.0


class KeycloakAdmin:
    """Calls to the admin API of one realm.

    Parameters
    ----------
    url
        Base URL, without ``/realms``.
    realm
        Name of the realm.
    client_id, client_secret
        Client with a service account that has the roles for the calls.
    http
        HTTP client; the caller closes it.
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
        self._remote = Remote("keycloak", classify, timeout=CALL_TIMEOUT_SECONDS)
        self._token = ""
        self._expires = 0.0
        self._renewing = asyncio.Lock()

    async def get(self, operation: str, path: str) -> dict[str, Any] | None:
        """Return the representation at a path; ``None`` if it does not exist."""
        response = await self.send(operation, "GET", path, absent=httpx.codes.NOT_FOUND)
        if response is None:
            return None
        representation: dict[str, Any] = response.json()
        return representation

    async def list_all(
        self, operation: str, path: str, params: dict[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the entries at a path, fetched page by page; no entry if the path does not exist."""
        first = 0
        while True:
            page = params | {"first": str(first), "max": str(PAGE_SIZE)}
            response = await self.send(operation, "GET", path, params=page, absent=httpx.codes.NOT_FOUND)
            entries = response.json() if response else []
            for entry in entries:
                yield entry
            if len(entries) < PAGE_SIZE:
                return
            first += PAGE_SIZE

    async def send(
        self, operation: str, method: str, path: str, *, absent: int | None = None, **arguments: Any
    ) -> httpx.Response | None:
        """Send a request; return ``None`` if the response has the status ``absent``.

        Raises
        ------
        BackendUnavailable, BackendRefused
            Keycloak did not answer, or refused the request.
        """

        async def call() -> httpx.Response | None:
            headers = {"Authorization": f"Bearer {await self._get_access_token()}"}
            response = await self._http.request(method, self._admin_url + path, headers=headers, **arguments)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                # Keycloak was restarted or its keys rotated: the next attempt gets a new token.
                self._expires = 0.0
            if response.status_code == absent:
                return None
            response.raise_for_status()
            return response

        return await self._remote.call(operation, call)

    async def _get_access_token(self) -> str:
        async with self._renewing:
            now = asyncio.get_running_loop().time()
            if now >= self._expires:
                response = await self._http.post(self._token_url, data=self._credentials)
                response.raise_for_status()
                granted = response.json()
                self._token = granted["access_token"]
                self._expires = now + float(granted["expires_in"]) - TOKEN_MARGIN_SECONDS
            return self._token


def classify(exc: Exception) -> FailureClass | None:
    """Return the class of a failure. 401 is retried: a restart of Keycloak can invalidate the token."""
    match exc:
        case httpx.HTTPStatusError(response=response):
            code = response.status_code
            if code in (401, 408, 409, 429):
                return FailureClass.BUSY
            return FailureClass.TRANSIENT if code >= 500 else FailureClass.PERMANENT
        case httpx.HTTPError():
            return FailureClass.TRANSIENT
        case _:
            return None
