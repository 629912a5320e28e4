"""Helpers for tests of the pipe: fake backends, arguments of the pipe, and its output."""

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from typing_extensions import override
from webui_install.functions.tenantry import Pipe

__all__ = [
    "ANSWER",
    "MODEL",
    "FakePipeBackends",
    "PipeOutput",
    "Stream",
    "ask",
    "make_pipe",
    "make_problem",
    "make_stream",
]

MODEL = "tenant-tenantb.finance"

ANSWER: dict[str, Any] = {
    "answer": "It is $5,000,000 [1]. Approved in May [2] [1].",
    "format": "markdown",
    "citations": [
        {"marker": 1, "documentId": "owui-f1", "filename": "plan.pdf", "page": 3, "snippet": "$5,000,000"},
        {"marker": 2, "documentId": "d2", "filename": "notes.md", "page": None, "snippet": "In May."},
    ],
    "grounded": True,
    "model": "a-model",
    "cached": False,
    "usage": {"inputTokens": 1, "outputTokens": 1},
}

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


class Stream(httpx.AsyncByteStream):
    """Response body that arrives in pieces; an exception among the pieces breaks the response off."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.closed = False

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece

    @override
    async def aclose(self) -> None:
        self.closed = True


async def _yield_each(pieces: tuple[bytes | Exception, ...]) -> AsyncIterator[bytes]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        yield piece


def make_event(name: str, data: Any) -> bytes:
    """Return a server-sent event of the gateway."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode()


def make_stream(*words: str, end: Any = ANSWER, cut: int = 0) -> httpx.Response:
    """Return a streamed response that ends with the answer, a problem, an exception, or nothing.

    With ``cut``, the bytes arrive in pieces of that length.
    """
    pieces: list[bytes | Exception] = [make_event("words", {"text": text}) for text in words]
    match end:
        case Exception():
            pieces.append(end)
        case {"type": _}:
            pieces.append(make_event("error", end))
        case dict():
            pieces.append(make_event("answer", end))
        case _:
            pass
    if cut:
        whole = b"".join(piece for piece in pieces if isinstance(piece, bytes))
        pieces = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    return httpx.Response(200, headers=headers, stream=Stream(_yield_each(tuple(pieces))))


def make_problem(
    status: int, slug: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> httpx.Response:
    """Return a problem document."""
    body = {"type": f"https://tenantry.io/problems/{slug}", "title": slug, "status": status, **members}
    content = {"content-type": "application/problem+json"}
    return httpx.Response(status, content=json.dumps(body), headers=content | dict(headers or {}))


@dataclass
class FakePipeBackends(httpx.AsyncBaseTransport):
    """Transport in place of all services behind the pipe; it has a reply per path and records requests."""

    replies: dict[str, Reply] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        if not request.url.host:
            raise httpx.UnsupportedProtocol("the URL has no host")
        self.requests.append(request)
        reply = self.replies[request.url.path]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):
            return reply
        output = reply(request)
        return await output if inspect.isawaitable(output) else output

    @property
    def paths(self) -> list[str]:
        """Return the paths of the requests in order."""
        return [request.url.path for request in self.requests]

    @property
    def body(self) -> Any:
        """Return the body of the last request."""
        return json.loads(self.requests[-1].content)


@dataclass
class PipeOutput:
    """Output of the pipe for a question."""

    pieces: list[Any] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return the whole text."""
        return "".join(
            piece if isinstance(piece, str) else piece["choices"][0]["delta"]["content"]
            for piece in self.pieces
        )

    @property
    def statuses(self) -> list[str]:
        """Return the status messages above the answer."""
        return [event["data"]["description"] for event in self.events if event["type"] == "status"]

    @property
    def sources(self) -> list[dict[str, Any]]:
        """Return the sources."""
        return [event["data"] for event in self.events if event["type"] == "source"]

    @property
    def is_done(self) -> bool:
        """Return True if only the last status is marked as done."""
        done = [event["data"]["done"] for event in self.events if event["type"] == "status"]
        return done[-1:] == [True] and not any(done[:-1])


def make_pipe(backends: FakePipeBackends, **valves: Any) -> Pipe:
    """Return a pipe with fake backends."""
    pipe = Pipe(transport=backends)
    pipe.valves = Pipe.Valves(
        **{
            "gateway_url": "http://gateway/",
            "n8n_url": "http://n8n",
            "file_sync_url": "http://file-sync",
            **valves,
        }
    )
    return pipe


async def ask(pipe: Pipe, question: str = "What is the budget?", **given: Any) -> PipeOutput:
    """Ask as Open WebUI does and return the output."""
    output = PipeOutput()

    async def emit(event: dict[str, Any]) -> None:
        output.events.append(event)

    arguments = make_arguments(question, **{"__event_emitter__": emit, **given})
    async for piece in pipe.pipe(**arguments):
        output.pieces.append(piece)
    return output


def make_arguments(question: str, *, stream: bool = True, model: str = MODEL, **given: Any) -> dict[str, Any]:
    """Return the arguments with which Open WebUI calls the pipe."""
    messages = given.pop("messages", [{"role": "user", "content": question}])
    return {
        "body": {"model": "tenantry", "stream": stream, "messages": messages},
        "__metadata__": {"model": {"id": model}, "model_id": model, "base_user_prompt": question},
        "__files__": [],
        "__oauth_token__": {"access_token": "the-token"},
        **given,
    }
