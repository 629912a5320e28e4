"""Client of the REST API of n8n's editor, limited to the calls that importing workflows needs.

The client fits n8n 2.41. It uses the editor's API, because the public API cannot create a workflow with a
given id. The public API also needs a key that only a logged-in person can create.
"""

from collections.abc import Mapping
from typing import Any

import httpx
from servicekit.remote import FailureClass, Remote

__all__ = ["CALL_TIMEOUT_SECONDS", "N8n"]

CALL_TIMEOUT_SECONDS = 20.0
"""Timeout of a call: a busy main process takes some seconds to save a workflow."""

BROWSER_HEADERS = {"browser-id": "tenantry-n8n-install"}
"""n8n binds a session to the browser id that logged in."""

COOKIE = "n8n-auth"


class N8n:
    """Client of n8n with the owner's account.

    Parameters
    ----------
    url
        Base URL of the main process.
    email, password
        Credentials of the owner's account, or of an administrator's account.
    http
        Client to use; the caller closes it.
    """

    def __init__(self, url: str, email: str, password: str, http: httpx.AsyncClient) -> None:
        self._url = url.rstrip("/")
        self._account = {"emailOrLdapLoginId": email, "password": password}
        self._http = http
        self._remote = Remote("n8n", classify, timeout=CALL_TIMEOUT_SECONDS, attempts=5)
        self._session = ""

    async def is_ready(self) -> bool:
        """Return True if n8n is connected to its database and serves requests."""
        try:
            response = await self._http.get(f"{self._url}/healthz/readiness")
        except httpx.HTTPError:
            return False
        return response.is_success

    async def get_workflow(self, workflow_id: str) -> dict[str, Any] | None:
        """Return a workflow, or ``None`` if n8n has no workflow with the id."""
        return await self._send("get-workflow", "GET", f"/workflows/{workflow_id}", absent=404)

    async def create_workflow(self, workflow_id: str, content: Mapping[str, Any]) -> None:
        """Create a workflow with the given id; do nothing if it exists."""
        body = {"id": workflow_id, **content}
        await self._send("create-workflow", "POST", "/workflows", body, absent=400, if_text="exists already")

    async def update_workflow(self, workflow_id: str, content: Mapping[str, Any]) -> None:
        """Replace the content of a workflow without publishing it."""
        await self._send("update-workflow", "PATCH", f"/workflows/{workflow_id}", content)

    async def unarchive_workflow(self, workflow_id: str) -> None:
        """Restore a workflow from the archive."""
        await self._send("unarchive-workflow", "POST", f"/workflows/{workflow_id}/unarchive", {})

    async def publish_workflow(self, workflow_id: str, version_id: str) -> None:
        """Publish a version of a workflow; its webhooks answer some seconds later."""
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
        if_text: str = "",
    ) -> dict[str, Any] | None:
        """Return a response's data; ``None`` if it has the status ``absent`` and contains ``if_text``."""

        async def call() -> dict[str, Any] | None:
            response = await self._http.request(
                method, f"{self._url}/rest{path}", json=body, headers=await self._authenticate()
            )
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._session = ""  # the next attempt logs in again
            if response.status_code == absent and if_text in response.text:
                return None
            _raise_for_status(response)
            data: dict[str, Any] = response.json()["data"]
            return data

        return await self._remote.call(operation, call)

    async def _authenticate(self) -> dict[str, str]:
        """Return the headers of a session; log in if no session exists."""
        if not self._session:
            response = await self._http.post(
                f"{self._url}/rest/login", json=self._account, headers=BROWSER_HEADERS
            )
            if response.status_code == httpx.codes.UNAUTHORIZED:
                raise LoginRefused("the owner's e-mail address or password is wrong")
            _raise_for_status(response)
            # n8n marks the cookie as Secure even without https, so the client does not send it by itself.
            self._session = response.cookies[COOKIE]
        return BROWSER_HEADERS | {"Cookie": f"{COOKIE}={self._session}"}


class LoginRefused(Exception):
    """n8n refused the e-mail address or the password."""


class ErrorResponse(Exception):
    """n8n answered with an error.

    Parameters
    ----------
    status
        Status of the response.
    reason
        n8n's message.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status


def classify(exc: Exception) -> FailureClass | None:
    """Return the class of a failed call.

    A refused login is permanent: after retries, n8n slows down all logins.
    """
    match exc:
        case LoginRefused():
            return FailureClass.PERMANENT
        case ErrorResponse(status=status):
            if status in (401, 408, 429):
                return FailureClass.BUSY
            return FailureClass.TRANSIENT if status >= 500 else FailureClass.PERMANENT
        case httpx.HTTPError():
            return FailureClass.TRANSIENT
        case _:
            return None


def _raise_for_status(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        reason = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        reason = response.reason_phrase
    raise ErrorResponse(response.status_code, str(reason))
