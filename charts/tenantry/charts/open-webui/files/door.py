"""Serves Open WebUI, and refuses at its door what it has no setting against.

It stands in the process and not in front of it, because it has to see a path as the router does: an ingress
compares it before anything is decoded, and may not even have a per cent sign in its patterns.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

PEOPLE = "/users/search"
"""Tells everybody who is logged in the names and addresses of all people, of all tenants."""

LARGEST_BODY = 52 * 1024 * 1024
"""Bytes: the largest file and its form. Open WebUI reads it into memory before it looks at its size."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Door:
    """The application behind it, but for what it refuses."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif PEOPLE in scope["path"]:
            await _answer(send, 403, "Nobody can look up other people here.")
        elif int(dict(scope["headers"]).get(b"content-length", 0)) > LARGEST_BODY:
            await _answer(send, 413, "This is too large.")
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let a request through that may not say how long it is; too much ends as if the caller had left."""
        taken = 0

        async def take() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message if taken <= LARGEST_BODY else {"type": "http.disconnect"}

        await self._app(scope, take, send)


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    from open_webui.main import app

    uvicorn.run(Door(app), host="0.0.0.0", port=8080, forwarded_allow_ips="*", server_header=False)
