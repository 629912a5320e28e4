"""HTTP session of an administrator of Open WebUI: sign-in, timeouts and retries.

Open WebUI limits an account to 15 sign-ins in three minutes, including failed sign-ins. The session keeps its
token until Open WebUI refuses it. After a failed sign-in all callers wait before the next one.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from servicekit.remote import FailureClass, Remote

__all__ = ["OpenWebUISession", "OptionalObject"]

CALL_TIMEOUT_SECONDS = 10.0

SLOW_CALL_TIMEOUT_SECONDS = 20.0
"""Timeout of a creation and of an action: a new knowledge base waits for an embedding of its name, and the
erasure action deletes many objects in one call."""

SIGN_IN_DELAY_SECONDS = 20.0
"""Pause after a failed sign-in, and the age up to which the session keeps a refused token."""

PAGE_SIZE = 30
"""Number of entries in a page of a list; the API defines this number."""

OptionalObject = dict[str, Any] | None
"""An object, or ``None`` when it is absent."""


class SignInRefused(Exception):
    """The sign-in failed, or the account is no administrator."""


class OpenWebUISession:
    """Session of one administrator; it signs in at the first call.

    Parameters
    ----------
    url
        Base URL of Open WebUI.
    email, password
        Credentials of the account.
    http
        Client to use; the caller closes it.
    """

    def __init__(self, url: str, email: str, password: str, http: httpx.AsyncClient) -> None:
        self._api = f"{url.rstrip('/')}/api"
        self._url = f"{self._api}/v1"
        self._credentials = {"email": email, "password": password}
        self._http = http
        self._remote = Remote("open-webui", classify, timeout=CALL_TIMEOUT_SECONDS)
        self._once = Remote("open-webui", classify, timeout=SLOW_CALL_TIMEOUT_SECONDS, attempts=1)
        self._actions = Remote("open-webui", classify, timeout=SLOW_CALL_TIMEOUT_SECONDS)
        self._token = ""
        self._signed_in = 0.0
        self._refusal: tuple[float, Exception] | None = None
        self._signing_in = asyncio.Lock()

    def require_closed_circuit(self, operation: str) -> None:
        """Check that the circuit to Open WebUI is closed.

        Raises
        ------
        BackendUnavailable
            The circuit is open.
        """
        self._remote.require_closed_circuit(operation)

    async def get(self, operation: str, path: str, params: dict[str, str] | None = None) -> Any:
        """Return the JSON of a path; every error status raises."""
        response = await self.send(operation, "GET", path, params=params)
        return response.json() if response else None

    async def find(
        self, operation: str, path: str, absent: int, params: dict[str, str] | None = None
    ) -> OptionalObject:
        """Return the JSON of a path; ``None`` when the response has the status ``absent``."""
        response = await self.send(operation, "GET", path, params=params, absent=absent)
        body: OptionalObject = response.json() if response else None
        return body

    async def post(self, operation: str, path: str, form: Any, *, once: bool = False) -> Any:
        """Send a form; return the JSON of the response.

        ``once`` sends it without retries: a failed attempt to create an object may have succeeded.
        """
        response = await self.send(operation, "POST", path, json=form, once=once)
        return response.json() if response else None

    async def run_action(self, action: str, form: dict[str, Any]) -> Any:
        """Run an action function outside any chat; return its result."""
        # Open WebUI requires a model and a chat for every action; it does not load a direct model.
        model = {"id": action, "direct": True}
        about = {"model": action, "model_item": model, "chat_id": "", "id": "", "session_id": ""}
        response = await self.send(
            action, "POST", f"/chat/actions/{action}", json=about | form, root=self._api
        )
        return response.json() if response else None

    async def list_entries(
        self, operation: str, path: str, entries: str, params: dict[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """Return the entries of all pages of a list; ``entries`` is their JSON field."""
        page = 0
        while True:
            page += 1
            listing = await self.get(operation, path, params | {"page": str(page)})
            for entry in listing[entries]:
                yield entry
            if page * PAGE_SIZE >= listing["total"]:
                return

    async def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        absent: int | None = None,
        once: bool = False,
        root: str = "",
        **arguments: Any,
    ) -> httpx.Response | None:
        """Make one call; return ``None`` when the response has the status ``absent``."""

        async def call() -> httpx.Response | None:
            token = await self._get_access_token()
            headers = {"Authorization": f"Bearer {token}"}
            response = await self._http.request(
                method,
                (root or self._url) + path,
                headers=headers,
                timeout=SLOW_CALL_TIMEOUT_SECONDS,
                **arguments,
            )
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._discard_token(token)
            if response.status_code == absent:
                return None
            _check(response)
            return response

        remote = self._once if once else self._actions if root else self._remote
        return await remote.call(operation, call)

    def _discard_token(self, token: str) -> None:
        """Drop a refused (expired or invalid) token, so that the next attempt signs in again.

        Keep a new token: Open WebUI also answers 401 for some absent objects, and a sign-in would not help.
        """
        age = asyncio.get_running_loop().time() - self._signed_in
        if token == self._token and age >= SIGN_IN_DELAY_SECONDS:
            self._token = ""

    async def _get_access_token(self) -> str:
        async with self._signing_in:
            now = asyncio.get_running_loop().time()
            if self._token:
                return self._token
            if self._refusal and now < self._refusal[0] + SIGN_IN_DELAY_SECONDS:
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
            f"{self._url}/auths/signin", json=self._credentials, timeout=CALL_TIMEOUT_SECONDS
        )
        if response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.FORBIDDEN):
            raise SignInRefused(
                f"signing in as {self._credentials['email']} was refused: {_parse_error_detail(response)}"
            )
        _check(response)
        account = response.json()
        if account["role"] != "admin":
            raise SignInRefused(f"{self._credentials['email']} is not an administrator")
        return str(account["token"])


_TRANSIENT_STATUSES = frozenset({400, 401, 404, 408, 409, 429})


def classify(exc: Exception) -> FailureClass | None:
    """Return the class of a failed call; ``None`` for an error of this program.

    400, 401 and 404 are temporary. Open WebUI answers 400 for any internal error; a retry after 401 signs in
    (``_discard_token``); after 404 the next reconcile observes again.
    """
    match exc:
        case SignInRefused():
            return FailureClass.PERMANENT
        case httpx.HTTPStatusError(response=response):
            code = response.status_code
            if code in _TRANSIENT_STATUSES:
                return FailureClass.BUSY
            return FailureClass.TRANSIENT if code >= 500 else FailureClass.PERMANENT
        case httpx.HTTPError():
            return FailureClass.TRANSIENT
        case _:
            return None


def _check(response: httpx.Response) -> None:
    if response.is_error:
        message = f"{response.status_code} at {response.request.url.path}: {_parse_error_detail(response)}"
        raise httpx.HTTPStatusError(message, request=response.request, response=response)


def _parse_error_detail(response: httpx.Response) -> str:
    """Return the error message of the response."""
    try:
        return str(response.json()["detail"])[:200]
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
