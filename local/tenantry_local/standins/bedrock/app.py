"""HTTP routes of the Bedrock stand-in: operations, and ``/standin`` for faults and recorded calls."""

import asyncio
import json
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import pydantic_core
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from . import invoke
from .converse import ChatModel, Reply, validate
from .errors import (
    BedrockError,
    MissingAuthenticationTokenException,
    SerializationException,
    UnknownOperationException,
)
from .eventstream import encode_event, encode_exception
from .faults import FAULT_HEADER, Faults, FaultType, InjectedFault, Limit
from .forward import ForwardClient
from .guardrails import Guardrails
from .models import describe_model, describe_profile, require_chat, require_embedding
from .settings import BedrockSettings
from .shapes import check_shape

__all__ = ["MAX_REMEMBERED_CALLS", "SLOW_STREAM_DELAY_SECONDS", "make_app"]

MAX_REMEMBERED_CALLS = 2000
"""Number of calls that ``/standin/calls`` returns at most."""

EVENTS_BEFORE_FAULT = 2
"""Number of events that a stream sends before an injected fault: the start and the first words."""

SLOW_STREAM_DELAY_SECONDS = 0.2
"""Pause between two events of a slow stream."""


class StreamAborted(Exception):
    """Raised to end a response early, like a broken connection."""


class BlockedWords(BaseModel):
    """Words that guardrails block."""

    words: list[str]


class StandinState:
    """State that the routes share.

    Parameters
    ----------
    settings
        Settings of the stand-in, read once.
    """

    def __init__(self, settings: BedrockSettings) -> None:
        self.faults = Faults()
        self.guardrails = Guardrails.from_list(settings.blocked_words)
        self.calls: deque[dict[str, Any]] = deque(maxlen=MAX_REMEMBERED_CALLS)
        forward = ForwardClient(settings.forward_url, settings.forward_model, settings.forward_api_key)
        self.chat_model = ChatModel(self.guardrails, forward if settings.forward_url else None)

    async def record_call(
        self, request: Request, operation: str, model: str, metadata: object
    ) -> FaultType | None:
        """Record a call; return the fault that its streamed response must show, if any.

        Raises
        ------
        BedrockError
            The injected fault is an error.
        """
        call = {"operation": operation, "model": model, "time": time.time(), "requestMetadata": metadata}
        self.calls.append(call)
        return await self.faults.apply_next(operation, request.headers.get(FAULT_HEADER, ""))

    async def converse(self, request: Request, operation: str, model: str) -> tuple[Reply, FaultType | None]:
        """Return the reply to Converse or ConverseStream, and the fault of its stream."""
        body = await _read_object(request)
        fault = await self.record_call(request, operation, model, body.get("requestMetadata", {}))
        require_chat(model)
        validate(operation, model, body)
        return await asyncio.to_thread(self.chat_model.reply, body), fault


def make_app(settings: BedrockSettings) -> FastAPI:
    """Return the application with all routes."""
    app = FastAPI(title="Bedrock stand-in", openapi_url=None)
    standin = StandinState(settings)
    _add_errors(app)
    _add_models(app, standin)
    _add_descriptions(app)
    _add_guardrails(app, standin)
    _add_control_routes(app, standin)
    return app


def _add_models(app: FastAPI, standin: StandinState) -> None:
    # A model id may be an ARN, whose slashes have been decoded before the path is matched.
    @app.post("/model/{model:path}/invoke")
    async def _(model: str, request: Request) -> Response:
        raw = await _read_signed_body(request)
        metadata = _parse_object(request.headers.get("x-amzn-bedrock-request-metadata", "{}"))
        await standin.record_call(request, "InvokeModel", model, metadata)
        base = require_embedding(model)
        started = time.perf_counter()
        body, tokens = await asyncio.to_thread(invoke.invoke, base, raw)
        spent = round((time.perf_counter() - started) * 1000)
        headers = {
            "x-amzn-bedrock-input-token-count": str(tokens),
            "x-amzn-bedrock-invocation-latency": str(spent),
        }
        return _to_json_response(body, headers)

    @app.post("/model/{model:path}/converse")
    async def _(model: str, request: Request) -> Response:
        reply, _ = await standin.converse(request, "Converse", model)
        return _to_json_response(reply.to_response())

    @app.post("/model/{model:path}/converse-stream")
    async def _(model: str, request: Request) -> Response:
        reply, fault = await standin.converse(request, "ConverseStream", model)
        return StreamingResponse(
            _stream(reply, fault),
            media_type="application/vnd.amazon.eventstream",
            headers=_make_request_id_header(),
        )


def _add_descriptions(app: FastAPI) -> None:
    @app.get("/foundation-models/{model:path}")
    async def _(model: str) -> Response:
        return _to_json_response(describe_model(model))

    @app.get("/inference-profiles/{profile:path}")
    async def _(profile: str) -> Response:
        return _to_json_response(describe_profile(profile))


def _add_guardrails(app: FastAPI, standin: StandinState) -> None:
    @app.post("/guardrail/{guardrail:path}/version/{version}/apply")
    async def _(guardrail: str, version: str, request: Request) -> Response:
        body = await _read_object(request)
        await standin.record_call(request, "ApplyGuardrail", f"{guardrail}:{version}", {})
        check_shape("ApplyGuardrail", {**body, "guardrailIdentifier": guardrail, "guardrailVersion": version})
        texts = [block["text"]["text"] for block in body["content"] if "text" in block]
        return _to_json_response(standin.guardrails.apply(body["source"], texts))


def _add_control_routes(app: FastAPI, standin: StandinState) -> None:
    faults = standin.faults

    @app.get("/healthz")
    async def _() -> dict[str, str]:
        return {"status": "ok"}

    @app.put("/standin/faults")
    async def _(fault: InjectedFault) -> dict[str, int]:
        faults.pending.append(fault)
        return {"pending": len(faults.pending)}

    @app.put("/standin/limits")
    async def _(limit: Limit) -> dict[str, str]:
        faults.set_limit(limit)
        return {"status": "ok"}

    @app.delete("/standin/faults")
    async def _() -> dict[str, int]:
        """Delete all faults and limits."""
        faults.clear()
        return {"pending": 0}

    @app.put("/standin/guardrails")
    async def _(words: BlockedWords) -> BlockedWords:
        standin.guardrails.words = tuple(words.words)
        return words

    @app.get("/standin/calls")
    async def _() -> list[dict[str, Any]]:
        return list(standin.calls)

    @app.delete("/standin/calls")
    async def _() -> dict[str, str]:
        standin.calls.clear()
        return {"status": "ok"}


def _add_errors(app: FastAPI) -> None:
    def respond_error(error: BedrockError) -> Response:
        # The namespace that the service appends to its error names; SDKs remove it.
        kind = f"{type(error).__name__}:http://internal.amazon.com/coral/com.amazon.bedrock/"
        headers = {"x-amzn-ErrorType": kind, **_make_request_id_header()}
        return JSONResponse({"message": str(error)}, status_code=error.status, headers=headers)

    @app.exception_handler(BedrockError)
    async def _(_: Request, exc: BedrockError) -> Response:
        return respond_error(exc)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def _(request: Request, _: Exception) -> Response:
        return respond_error(
            UnknownOperationException(f"This stand-in does not serve {request.method} {request.url.path}")
        )


async def _stream(reply: Reply, fault: FaultType | None) -> AsyncIterator[bytes]:
    for number, (name, payload) in enumerate(reply.to_events()):
        if number == EVENTS_BEFORE_FAULT and fault is FaultType.STREAM_ERROR:
            yield encode_exception("modelStreamErrorException", "The model's stream broke.")
            return
        if number == EVENTS_BEFORE_FAULT and fault is FaultType.STREAM_CUT:
            raise StreamAborted
        if fault is FaultType.STREAM_SLOW:
            await asyncio.sleep(SLOW_STREAM_DELAY_SECONDS)
        yield encode_event(name, payload)


def _to_json_response(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    # json.dumps takes a millisecond for the 2,000 floats of a response.
    return Response(
        pydantic_core.to_json(body),
        media_type="application/json",
        headers={**_make_request_id_header(), **(headers or {})},
    )


def _make_request_id_header() -> dict[str, str]:
    return {"x-amzn-RequestId": str(uuid.uuid4())}


async def _read_signed_body(request: Request) -> bytes:
    """Return the body of a signed request; the signature is not verified."""
    if not request.headers.get("authorization", "").startswith(("AWS4-HMAC-SHA256 ", "Bearer ")):
        raise MissingAuthenticationTokenException("Missing Authentication Token")
    return await request.body()


async def _read_object(request: Request) -> dict[str, Any]:
    return _parse_object(await _read_signed_body(request))


def _parse_object(raw: bytes | str) -> dict[str, Any]:
    try:
        parsed = json.loads(raw)
    except ValueError as exc:
        raise SerializationException("The request is not valid JSON.") from exc
    if not isinstance(parsed, dict):
        raise SerializationException("The request is not a JSON object.")
    return parsed
