"""Calls to Open WebUI as its administrator: signed in when needed, bounded, and tried again where that helps.

Signing in is limited to 15 times in three minutes an account, whether it succeeds or not. So a token is kept
until it is refused, and a sign-in that failed is not repeated at once, whoever asks.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from servicekit.remote import Fault, Remote

__all__ = ["Found", "Session"]

CALL_SECONDS = 10.0

CREATE_SECONDS = 20.0
"""Longest that making something new may take (a knowledge base waits for an embedding of its name), or an
action, which deletes many things in one call."""

SIGN_IN_PAUSE_SECONDS = 20.0
"""After a sign-in that failed, the next one waits this long; a token younger than this is not replaced."""

PAGE = 30
"""Entries of a page of any list; the API decides."""

Found = dict[str, Any] | None
"""An object, or that it is not there."""


class SignInRefused(Exception):
    """The account cannot be signed in to, or is no administrator's."""


class Session:
    """An administrator's session.

    Parameters
    ----------
    url
        Base URL of Open WebUI.
    email, password
        The account.
    http
        Client to use; the caller closes it.
    """

    def __init__(self, url: str, email: str, password: str, http: httpx.AsyncClient) -> None:
        self._api = f"{url.rstrip('/')}/api"
        self._url = f"{self._api}/v1"
        self._credentials = {"email": email, "password": password}
        self._http = http
        self._remote = Remote("open-webui", classify, timeout=CALL_SECONDS)
        self._once = Remote("open-webui", classify, timeout=CREATE_SECONDS, attempts=1)
        self._actions = Remote("open-webui", classify, timeout=CREATE_SECONDS)
        self._token = ""
        self._signed_in = 0.0
        self._refusal: tuple[float, Exception] | None = None
        self._signing_in = asyncio.Lock()

    def require_closed_circuit(self, operation: str) -> None:
        """Return when Open WebUI would be called now.

        Raises
        ------
        RemoteUnavailable
            It keeps failing, and is not called for a moment.
        """
        self._remote.require_closed_circuit(operation)

    async def get(self, operation: str, path: str, params: dict[str, str] | None = None) -> Any:
        """Return what a path answers; something is always there."""
        response = await self.send(operation, "GET", path, params=params)
        return response.json() if response else None

    async def find(
        self, operation: str, path: str, absent: int, params: dict[str, str] | None = None
    ) -> Found:
        """Return what a path answers; ``None`` when it is the status ``absent``."""
        response = await self.send(operation, "GET", path, params=params, absent=absent)
        found: Found = response.json() if response else None
        return found

    async def post(self, operation: str, path: str, form: Any, *, once: bool = False) -> Any:
        """Send a form; return what is answered.

        What makes something new is sent ``once``: a first attempt that failed may have arrived.
        """
        response = await self.send(operation, "POST", path, json=form, once=once)
        return response.json() if response else None

    async def run_action(self, action: str, form: dict[str, Any]) -> Any:
        """Run an action function that no model offers; return its result. Nothing is written to a chat."""
        # Open WebUI wants a model and a chat for every action; a model of the caller's own is not looked up.
        model = {"id": action, "direct": True}
        about = {"model": action, "model_item": model, "chat_id": "", "id": "", "session_id": ""}
        response = await self.send(
            action, "POST", f"/chat/actions/{action}", json=about | form, root=self._api
        )
        return response.json() if response else None

    async def pages(
        self, operation: str, path: str, entries: str, params: dict[str, str]
    ) -> AsyncIterator[dict[str, Any]]:
        """Return the entries of a list, over all its pages; they stand under the name ``entries``."""
        page = 0
        while True:
            page += 1
            answer = await self.get(operation, path, params | {"page": str(page)})
            for each in answer[entries]:
                yield each
            if page * PAGE >= answer["total"]:
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
        """Make one call; ``None`` when it was answered with the status ``absent``."""

        async def call() -> httpx.Response | None:
            token = await self._access_token()
            headers = {"Authorization": f"Bearer {token}"}
            response = await self._http.request(
                method, (root or self._url) + path, headers=headers, timeout=CREATE_SECONDS, **arguments
            )
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._distrust(token)
            if response.status_code == absent:
                return None
            _check(response)
            return response

        remote = self._once if once else self._actions if root else self._remote
        return await remote.call(operation, call)

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


_PASSING = frozenset({400, 401, 404, 408, 409, 429})


def classify(exc: Exception) -> Fault | None:
    """Say what a failed call means.

    400 is no refusal: Open WebUI says so of whatever went wrong inside. Nor is 401 (see ``_distrust``), nor
    404: what was there a moment ago is looked for again.
    """
    match exc:
        case SignInRefused():
            return Fault.PERMANENT
        case httpx.HTTPStatusError(response=response):
            code = response.status_code
            if code in _PASSING:
                return Fault.BUSY
            return Fault.TRANSIENT if code >= 500 else Fault.PERMANENT
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
