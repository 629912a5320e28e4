"""A page of Open WebUI that is open in somebody's browser: it asks in a chat, and hears over its socket.

Only what the page needs of Socket.IO is spoken here, over one WebSocket. Asking the server again and again
whether it is done, as tests do, would be load that no browser makes.
"""

import asyncio
import json
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.open_webui import Person

__all__ = ["Page", "Said", "open_page"]

PATIENCE_SECONDS = 60


@dataclass
class Said:
    """An answer as the page has it at last.

    Parameters
    ----------
    began
        When it was asked for, on the performance counter.
    """

    began: float
    text: str = ""
    first_at: int = 0
    """When its first words came, in nanoseconds since 1970."""
    first_words: str = ""
    seconds: float = 0.0
    """From the question to the end of the answer."""
    sources: list[dict[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Filenames of the passages that are shown as sources, in their order."""
        return [
            each["name"].partition(", page ")[0] for source in self.sources for each in source["metadata"]
        ]


class Page:
    """One open page.

    Parameters
    ----------
    person
        Whose it is.
    socket
        Its connection, on which the person has been accepted.
    session
        What Open WebUI calls it.
    """

    def __init__(self, person: Person, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self.person = person
        self._socket = socket
        self._session = session
        self._heard: defaultdict[str, asyncio.Queue[tuple[int, dict[str, Any]]]] = defaultdict(asyncio.Queue)

    async def listen(self) -> None:
        """Sort what comes by chat, until the socket is closed."""
        async for message in self._socket:
            if message.data == "2":
                await self._socket.send_str("3")  # it asks whether we are still there
            elif str(message.data).startswith("42"):
                name, event = json.loads(message.data[2:])
                if name == "events":
                    self._heard[event["chat_id"]].put_nowait((time.time_ns(), event["data"]))

    async def ask(self, model: str, question: str, **body: Any) -> Said:
        """Ask in a new chat, and return the answer once the page shows the whole of it."""
        said = Said(time.perf_counter())
        message = {
            "id": str(uuid.uuid4()),
            "role": "user",
            "content": question,
            "files": body.get("files", []),
        }
        begun = await self.person.post(
            "/api/chat/completions",
            {
                "model": model,
                "stream": True,
                "messages": [{"role": "user", "content": question}],
                "id": str(uuid.uuid4()),
                "parent_id": None,
                "session_id": self._session,
                "user_message": message,
                **body,
            },
        )
        queue = self._heard[begun["chat_id"]]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not said.seconds:
                _hear(said, *await queue.get())
        del self._heard[begun["chat_id"]]
        return said


def _hear(said: Said, at: int, event: dict[str, Any]) -> None:
    kind, data = event.get("type"), event.get("data") or {}
    if kind in ("source", "citation"):
        said.sources.append(data)
    elif kind == "chat:message:error":
        raise RuntimeError(f"no answer: {data}")
    elif kind in ("chat:completion", "response:completion"):
        said.sources += data.get("sources") or []
        words = _words(data)
        if words and not said.first_at:
            said.first_at, said.first_words = at, words
        if data.get("done"):
            said.text = data.get("content") or _output(data)
            said.seconds = time.perf_counter() - said.began


def _words(data: dict[str, Any]) -> str:
    """Return the words that an event carries, in whichever of Open WebUI's shapes."""
    delta = data.get("delta")
    if isinstance(delta, str):
        return delta
    choices = data.get("choices") or [{}]
    return data.get("content") or (choices[0].get("delta") or {}).get("content") or _output(data)


def _output(data: dict[str, Any]) -> str:
    parts = [part for item in data.get("output") or [] for part in item.get("content") or []]
    return "".join(part.get("text") or "" for part in parts)


@asynccontextmanager
async def open_page(url: str, person: Person) -> AsyncIterator[Page]:
    """Open a page of the Open WebUI at ``url``, and close it at the end."""
    token = person.http.headers["Authorization"].removeprefix("Bearer ")
    address = f"{url.replace('http', 'ws', 1)}/ws/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        await socket.receive_str()
        await socket.send_str("40" + json.dumps({"token": token}))
        accepted = json.loads((await socket.receive_str()).removeprefix("40"))
        await socket.send_str("42" + json.dumps(["user-join", {"auth": {"token": token}}]))
        page = Page(person, socket, accepted["sid"])
        listening = asyncio.create_task(page.listen())
        try:
            yield page
        finally:
            listening.cancel()
