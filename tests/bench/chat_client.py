"""Chat client that behaves like a browser page of Open WebUI: it asks over HTTP and listens on a WebSocket.

It implements only the needed part of Socket.IO. Polling, as tests do, would be load that no browser causes.
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

from tests.support.open_webui.clients import Person

__all__ = ["ChatAnswer", "ChatClient", "open_chat_client"]

TIMEOUT_SECONDS = 60


@dataclass
class ChatAnswer:
    """An answer as the page shows it at the end.

    Parameters
    ----------
    began
        Time of the question on the performance counter.
    """

    began: float
    text: str = ""
    first_at: int = 0
    """Time at which the first words arrived, in nanoseconds since 1970."""
    first_words: str = ""
    seconds: float = 0.0
    """Time from the question to the end of the answer."""
    sources: list[dict[str, Any]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Return the filenames of the displayed sources, in order."""
        return [
            document["name"].partition(", page ")[0]
            for source in self.sources
            for document in source["metadata"]
        ]


class ChatClient:
    """One open page of a user.

    Parameters
    ----------
    person
        The user.
    socket
        The page's authenticated WebSocket.
    session
        Open WebUI's id of the session.
    """

    def __init__(self, person: Person, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self.person = person
        self._socket = socket
        self._session = session
        self._events: defaultdict[str, asyncio.Queue[tuple[int, dict[str, Any]]]] = defaultdict(asyncio.Queue)

    async def listen(self) -> None:
        """Put events into the queue of their chat until the socket is closed."""
        async for message in self._socket:
            if message.data == "2":
                await self._socket.send_str("3")  # reply to a ping
            elif str(message.data).startswith("42"):
                name, event = json.loads(message.data[2:])
                if name == "events":
                    self._events[event["chat_id"]].put_nowait((time.time_ns(), event["data"]))

    async def ask(self, model: str, question: str, **body: Any) -> ChatAnswer:
        """Ask in a new chat and return the complete answer."""
        answer = ChatAnswer(time.perf_counter())
        message = {
            "id": str(uuid.uuid4()),
            "role": "user",
            "content": question,
            "files": body.get("files", []),
        }
        started = await self.person.post(
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
        queue = self._events[started["chat_id"]]
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not answer.seconds:
                _apply_event(answer, *await queue.get())
        del self._events[started["chat_id"]]
        return answer


def _apply_event(answer: ChatAnswer, at: int, event: dict[str, Any]) -> None:
    kind, data = event.get("type"), event.get("data") or {}
    if kind in ("source", "citation"):
        answer.sources.append(data)
    elif kind == "chat:message:error":
        raise RuntimeError(f"no answer: {data}")
    elif kind in ("chat:completion", "response:completion"):
        answer.sources += data.get("sources") or []
        words = _extract_text(data)
        if words and not answer.first_at:
            answer.first_at, answer.first_words = at, words
        if data.get("done"):
            answer.text = data.get("content") or _extract_output(data)
            answer.seconds = time.perf_counter() - answer.began


def _extract_text(data: dict[str, Any]) -> str:
    """Return the text of an event in any of Open WebUI's formats."""
    delta = data.get("delta")
    if isinstance(delta, str):
        return delta
    choices = data.get("choices") or [{}]
    return data.get("content") or (choices[0].get("delta") or {}).get("content") or _extract_output(data)


def _extract_output(data: dict[str, Any]) -> str:
    parts = [part for item in data.get("output") or [] for part in item.get("content") or []]
    return "".join(part.get("text") or "" for part in parts)


@asynccontextmanager
async def open_chat_client(url: str, person: Person) -> AsyncIterator[ChatClient]:
    """Connect a client to the Open WebUI at ``url`` and close it at the end."""
    token = person.http.headers["Authorization"].removeprefix("Bearer ")
    address = f"{url.replace('http', 'ws', 1)}/ws/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
        await socket.receive_str()
        await socket.send_str("40" + json.dumps({"token": token}))
        accepted = json.loads((await socket.receive_str()).removeprefix("40"))
        await socket.send_str("42" + json.dumps(["user-join", {"auth": {"token": token}}]))
        client = ChatClient(person, socket, accepted["sid"])
        listening = asyncio.create_task(client.listen())
        try:
            yield client
        finally:
            listening.cancel()
