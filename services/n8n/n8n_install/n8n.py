"""n8n's REST interface, as much of it as importing workflows needs.

It is the one that n8n's own editor uses, and belongs to n8n 2.41. The public API could not give a workflow
its id, and needs a key that nobody can make but a person who is logged in.
"""

from collections.abc import Mapping
from typing import Any

import httpx
from servicekit.remote import Fault, Remote

__all__ = ["CALL_SECONDS", "N8n"]

CALL_SECONDS = 20.0
"""A busy main takes some seconds to save a workflow."""

BROWSER = {"browser-id": "tenantry-n8n-install"}
"""A session belongs to the browser that logged in."""

COOKIE = "n8n-auth"


class N8n:
    """n8n, as its owner sees it.

    Parameters
    ----------
    url
        Base URL of the main process.
    email, password
        The owner's account, or an administrator's.
    http
        Client to use; the caller closes it.
    """

    def __init__(self, url: str, email: str, password: str, http: httpx.AsyncClient) -> None:
        self._url = url.rstrip("/")
        self._account = {"emailOrLdapLoginId": email, "password": password}
        self._http = http
        self._remote = Remote("n8n", classify, timeout=CALL_SECONDS, attempts=5)
        self._session = ""

    async def ready(self) -> bool:
        """Tell whether n8n has its database and serves."""
        try:
            response = await self._http.get(f"{self._url}/healthz/readiness")
        except httpx.HTTPError:
            return False
        return response.is_success

    async def workflow(self, workflow_id: str) -> dict[str, Any] | None:
        """Return a workflow, or ``None``."""
        return await self._send("get-workflow", "GET", f"/workflows/{workflow_id}", absent=404)

    async def create(self, workflow_id: str, content: Mapping[str, Any]) -> None:
        """Make a workflow under an id; one that is there by now is fine."""
        body = {"id": workflow_id, **content}
        await self._send("create-workflow", "POST", "/workflows", body, absent=400, if_told="exists already")

    async def update(self, workflow_id: str, content: Mapping[str, Any]) -> None:
        """Give a workflow another content, which is not published by that."""
        await self._send("update-workflow", "PATCH", f"/workflows/{workflow_id}", content)

    async def unarchive(self, workflow_id: str) -> None:
        """Take a workflow out of the archive."""
        await self._send("unarchive-workflow", "POST", f"/workflows/{workflow_id}/unarchive", {})

    async def publish(self, workflow_id: str, version_id: str) -> None:
        """Put a version of a workflow live: its webhooks answer some seconds later."""
        body = {"versionId": version_id}
        await self._send("publish-workflow", "POST", f"/workflows/{workflow_id}/activate", body)

    async def _send(
        self,
        operation: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        absent: int | None = None,
        if_told: str = "",
    ) -> dict[str, Any] | None:
        """Make one call; ``None`` when it is answered with the status ``absent``, and the words."""

        async def call() -> dict[str, Any] | None:
            response = await self._http.request(
                method, f"{self._url}/rest{path}", json=body, headers=await self._headers()
            )
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._session = ""  # the next attempt logs in anew
            if response.status_code == absent and if_told in response.text:
                return None
            _raise_for_status(response)
            data: dict[str, Any] = response.json()["data"]
            return data

        return await self._remote.call(operation, call)

    async def _headers(self) -> dict[str, str]:
        if not self._session:
            response = await self._http.post(f"{self._url}/rest/login", json=self._account, headers=BROWSER)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                raise LoginRefused("the owner's e-mail address or password is wrong")
            _raise_for_status(response)
            # n8n marks it as one for https only, even where it is spoken to without.
            self._session = response.cookies[COOKIE]
        return BROWSER | {"Cookie": f"{COOKIE}={self._session}"}


class LoginRefused(Exception):
    """n8n does not know the account, or not with that password."""


class Refused(Exception):
    """n8n answered with an error.

    Parameters
    ----------
    status
        Of the response.
    reason
        n8n's own words.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status


def classify(exc: Exception) -> Fault | None:
    """Say what a failed call means. A refused login is final, or n8n would slow all logins down."""
    match exc:
        case LoginRefused():
            return Fault.PERMANENT
        case Refused(status=status):
            if status in (401, 408, 429):
                return Fault.BUSY
            return Fault.TRANSIENT if status >= 500 else Fault.PERMANENT
        case httpx.HTTPError():
            return Fault.TRANSIENT
        case _:
            return None


def _raise_for_status(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        reason = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        reason = response.reason_phrase
    raise Refused(response.status_code, str(reason))
