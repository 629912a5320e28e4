"""Server-sent events of streamed answers."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import structlog
from servicekit.errors import TenantryError
from starlette.responses import StreamingResponse

from ..answers.service import Answer
from .membership import Membership

__all__ = ["describe_events", "encode_event", "stream_answer"]

HEADERS = {"X-Accel-Buffering": "no"}
"""Disables buffering in proxies, which would delay the pieces."""


def describe_events(*, named: bool, **data: str) -> dict[str, Any]:
    """Return the content of a streamed response in the API's description.

    Parameters
    ----------
    named
        True if each event has a name: the keyword of its example in ``data``.
    data
        An example of each event type.
    """
    schema = {
        "type": "object",
        "description": "One event of the stream.",
        "required": ["event", "data"] if named else ["data"],
        "properties": {
            "event": {"enum": list(data)} if named else {"const": "message"},
            "data": {"type": "string", "description": "One line of JSON, or OpenAI's `[DONE]`."},
        },
    }
    examples = {
        name: {"value": {"event": name, "data": example} if named else {"data": example}}
        for name, example in data.items()
    }
    return {"text/event-stream": {"schema": schema, "examples": examples}}


def encode_event(data: Any, name: str = "") -> bytes:
    """Return an encoded event; ``data`` is encoded as one line of JSON unless it is a string."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


async def stream_answer(
    pieces: AsyncGenerator[str | Answer],
    membership: Membership,
    *,
    encode_text: Callable[[str], bytes],
    encode_answer: Callable[[Answer], bytes],
    encode_error: Callable[[TenantryError], bytes],
) -> StreamingResponse:
    """Return a response that streams an answer.

    A failure before the first piece is raised and becomes an ordinary error response. A later failure is an
    event, because the status has been sent already.

    Parameters
    ----------
    membership
        The caller's right to the answer; the stream ends when it is lost.
    encode_text, encode_answer, encode_error
        Encode a piece of text, the whole answer at the end, and an error during the stream.
    """
    first = await membership.hold(anext(pieces))

    async def iter_events() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            try:
                yield encode_answer(first) if isinstance(first, Answer) else encode_text(first)
                while (piece := await membership.hold(anext(pieces, None))) is not None:
                    yield encode_answer(piece) if isinstance(piece, Answer) else encode_text(piece)
            except TenantryError as exc:
                yield encode_error(exc)
            except Exception:  # noqa: BLE001 (the caller must see an error instead of an early end)
                structlog.get_logger("gateway.request").exception("Unexpected error in a stream")
                yield encode_error(TenantryError("It has been logged under the request's id."))

    return StreamingResponse(iter_events(), media_type="text/event-stream", headers=HEADERS)
