"""Server-sent events: answers that are shown while they are written."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import structlog
from servicekit.errors import TenantryError
from starlette.responses import StreamingResponse

from ..answers.service import Answer
from .membership import Membership

__all__ = ["event", "events_described", "stream_answer"]

HEADERS = {"X-Accel-Buffering": "no"}
"""Proxies would otherwise collect words and hand them on in gulps."""


def events_described(*, named: bool, **data: str) -> dict[str, Any]:
    """Return what the API's description says of a stream.

    Parameters
    ----------
    named
        Whether each event has a name, one of those of ``data``.
    data
        An example of each kind of event.
    """
    schema = {
        "type": "object",
        "description": "One event of the stream.",
        "required": ["event", "data"] if named else ["data"],
        "properties": {
            "event": {"enum": list(data)} if named else {"const": "message"},
            "data": {"type": "string", "description": "In one line; JSON, but for OpenAI's `[DONE]`."},
        },
    }
    examples = {
        name: {"value": {"event": name, "data": each} if named else {"data": each}}
        for name, each in data.items()
    }
    return {"text/event-stream": {"schema": schema, "examples": examples}}


def event(data: Any, name: str = "") -> bytes:
    """Return one event; ``data`` becomes JSON in one line, unless it is text already."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


async def stream_answer(
    pieces: AsyncGenerator[str | Answer],
    membership: Membership,
    *,
    words: Callable[[str], bytes],
    end: Callable[[Answer], bytes],
    broken: Callable[[TenantryError], bytes],
) -> StreamingResponse:
    """Return a response that shows an answer while it is written.

    What fails before the first word is raised here, and so becomes an ordinary error with its status. What
    fails later is an event of its own, since the status has been sent.

    Parameters
    ----------
    membership
        The caller's right to the answer: the stream ends when it is lost.
    words, end, broken
        Make the events of some words, of the whole answer at the end, and of a failure in the middle.
    """
    first = await membership.hold(anext(pieces))

    async def events() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            try:
                yield end(first) if isinstance(first, Answer) else words(first)
                while (piece := await membership.hold(anext(pieces, None))) is not None:
                    yield end(piece) if isinstance(piece, Answer) else words(piece)
            except TenantryError as exc:
                yield broken(exc)
            except Exception:  # noqa: BLE001 (whatever it is, the caller must not take the rest for the end)
                structlog.get_logger("gateway.request").exception("Unexpected error in a stream")
                yield broken(TenantryError("It has been logged under the request's id."))

    return StreamingResponse(events(), media_type="text/event-stream", headers=HEADERS)
