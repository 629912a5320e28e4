"""Steady load of questions and uploads of several tenants, with the outcome of each request."""

import asyncio
import itertools
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

__all__ = ["Load", "RequestOutcome", "TenantUser"]

PAUSE_SECONDS, IDLE_PAUSE_SECONDS = 0.8, 2.0
"""Pause between two requests of a kind, inside and outside phases.

With shorter pauses the test would wait for the processor, and parts would restart more slowly.
"""

TIMEOUT_SECONDS = 60
"""Timeout of a request; no request may reach it."""


@dataclass(frozen=True)
class RequestOutcome:
    """Outcome of one request: ``ok``, or the slug of its problem."""

    kind: str
    what: str
    status: int
    seconds: float
    retry_after: str = ""
    """Value of the header ``Retry-After``, if there is one."""


@dataclass
class TenantUser:
    """A person of a tenant who uploads documents that only this tenant may see."""

    tenant: str
    http: httpx.AsyncClient
    token: str
    uploaded: dict[str, str] = field(default_factory=dict)
    """Names of the accepted documents, each with a word that no other document contains."""
    refused: list[str] = field(default_factory=list)
    """Names of the rejected documents."""
    seen: list[str] = field(default_factory=list)
    """Bodies of all responses."""

    @property
    def marker(self) -> str:
        """Word that all documents of the tenant contain, and no others."""
        return f"marker{self.tenant.replace('-', '')}"

    async def search(self, words: str = "") -> httpx.Response:
        return await self._post("/v1/search", {"query": words or f"What about {self.marker}?", "topK": 20})

    async def answer(self) -> httpx.Response:
        return await self._post("/v1/answers", {"question": f"What about {self.marker}?"})

    async def list(self) -> httpx.Response:
        return await self._send("GET", "/v1/documents")

    async def list_models(self) -> httpx.Response:
        return await self._send("GET", "/v1/models")

    async def upload(self, name: str, word: str) -> httpx.Response:
        content = f"# {name}\n\nThe {self.marker} of {word} is settled.".encode()
        response = await self._send(
            "POST", "/v1/documents", files={"file": (name, content)}, data={"personaId": "finance"}
        )
        if response.status_code == 201:
            self.uploaded[name] = word
        else:
            self.refused.append(name)
        return response

    async def _post(self, path: str, body: dict[str, object]) -> httpx.Response:
        return await self._send("POST", path, json=body)

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        response = await self.http.request(
            method, path, headers=headers, timeout=TIMEOUT_SECONDS, **arguments
        )
        self.seen.append(response.text)
        return response


class Load:
    """Sends requests of some users until it is stopped."""

    def __init__(self, users: Sequence[TenantUser]) -> None:
        self._users = users
        self._phase = ""
        # Documents of an earlier load of the same tenants have different names.
        self._run, self._numbers = secrets.token_hex(3), itertools.count()
        self.outcomes: dict[str, list[RequestOutcome]] = defaultdict(list)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Send requests until the end of the block; requests in progress are completed."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for user in self._users:
                for kind, ask in self._list_requests(user).items():
                    group.create_task(self._send_until_stopped(kind, ask, stop))
            try:
                yield
            finally:
                stop.set()

    @asynccontextmanager
    async def record_phase(self, name: str) -> AsyncIterator[None]:
        """Record requests that begin and end inside the block under a name."""
        self._phase = name
        try:
            yield
        finally:
            self._phase = ""

    def has_requests(self, phase: str, requests: int) -> bool:
        """Return True if each kind of request was made this often in a phase."""
        kinds = Counter(outcome.kind for outcome in self.outcomes[phase])
        return len(kinds) == len(self._list_requests(self._users[0])) and min(kinds.values()) >= requests

    def has_recovered(self, phase: str, requests: int) -> bool:
        """Return True if the last requests of each kind in a phase all succeeded."""
        by_kind = defaultdict(list)
        for outcome in self.outcomes[phase]:
            by_kind[outcome.kind].append(outcome.what)
        last = [whats[-requests:] for whats in by_kind.values()]
        return self.has_requests(phase, requests) and all(set(whats) == {"ok"} for whats in last)

    def get_outcomes(self, phase: str) -> dict[str, set[str]]:
        """Return the outcomes of each kind of request in a phase."""
        table: dict[str, set[str]] = defaultdict(set)
        for outcome in self.outcomes[phase]:
            table[outcome.kind].add(outcome.what)
        return dict(table)

    def _list_requests(self, user: TenantUser) -> dict[str, Callable[[], Awaitable[httpx.Response]]]:
        def upload() -> Awaitable[httpx.Response]:
            number = f"{self._run}{next(self._numbers):04}"
            return user.upload(f"note-{number}.md", f"subject{number}")

        return {
            "search": user.search,
            "answer": user.answer,
            "upload": upload,
            "list": user.list,
            "models": user.list_models,
        }

    async def _send_until_stopped(
        self, kind: str, ask: Callable[[], Awaitable[httpx.Response]], stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            phase, began = self._phase, time.perf_counter()
            response = await ask()
            if phase == self._phase:
                what = "ok" if response.is_success else _get_slug(response)
                seconds = time.perf_counter() - began
                retry_after = response.headers.get("retry-after", "")
                self.outcomes[phase].append(
                    RequestOutcome(kind, what, response.status_code, seconds, retry_after)
                )
            await asyncio.sleep(PAUSE_SECONDS if self._phase else IDLE_PAUSE_SECONDS)


def _get_slug(response: httpx.Response) -> str:
    body = response.json()
    # Paths of OpenAI's API answer with its error format.
    slug: str = body["type"].rpartition("/")[2] if "type" in body else body["error"]["code"]
    return slug
