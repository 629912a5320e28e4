"""The stand-in's HTTP surface."""

import asyncio
import json
import os
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from . import converse, embeddings
from .errors import BedrockError, MissingAuthenticationTokenException, ValidationException
from .eventstream import encode_event, encode_exception
from .faults import Fault, Faults
from .models import require_chat, require_embedding

__all__ = ["make_app"]

REMEMBERED_CALLS = 2000


def make_app() -> FastAPI:  # noqa: C901 (one small function a route)
    """Return the application. ``BEDROCK_BLOCKED_WORDS`` (comma-separated) is what its guardrails stop."""
    app = FastAPI(title="Bedrock stand-in", openapi_url=None)
    faults = Faults([])
    calls: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_CALLS)
    blocked = frozenset(filter(None, os.environ.get("BEDROCK_BLOCKED_WORDS", "").casefold().split(",")))

    @app.exception_handler(BedrockError)
    async def _(_: Request, exc: BedrockError) -> JSONResponse:
        headers = {"x-amzn-ErrorType": type(exc).__name__}
        return JSONResponse({"message": str(exc)}, status_code=exc.status, headers=headers)

    async def read(request: Request, operation: str, model: str) -> tuple[dict[str, Any], bool]:
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            raise MissingAuthenticationTokenException("Missing Authentication Token")
        raw = await request.body()
        try:
            body = json.loads(raw)
        except ValueError as exc:
            raise ValidationException("The request body is not valid JSON.") from exc
        metadata = body.get("requestMetadata", {})
        calls.append({"operation": operation, "model": model, "requestMetadata": metadata})
        breaks = await faults.strike(operation, request.headers.get("x-standin-fault", ""))
        return body, breaks

    @app.post("/model/{model:path}/invoke")
    async def _(model: str, request: Request) -> Response:
        body, _ = await read(request, "InvokeModel", model)
        require_embedding(model)
        result = await asyncio.to_thread(embeddings.invoke, model, body)
        count = str(result["inputTextTokenCount"])
        return JSONResponse(result, headers={"x-amzn-bedrock-input-token-count": count})

    @app.post("/model/{model:path}/converse")
    async def _(model: str, request: Request) -> Response:
        body, _ = await read(request, "Converse", model)
        require_chat(model)
        said = await asyncio.to_thread(converse.reply, body, blocked_words=blocked)
        return JSONResponse(said.to_response())

    @app.post("/model/{model:path}/converse-stream")
    async def _(model: str, request: Request) -> Response:
        body, breaks = await read(request, "ConverseStream", model)
        require_chat(model)
        said = await asyncio.to_thread(converse.reply, body, blocked_words=blocked)

        async def events() -> AsyncIterator[bytes]:
            for number, (name, payload) in enumerate(converse.stream_events(said)):
                if breaks and number == 2:
                    yield encode_exception("modelStreamErrorException", "The stream broke, as told.")
                    return
                yield encode_event(name, payload)

        return StreamingResponse(events(), media_type="application/vnd.amazon.eventstream")

    @app.post("/guardrail/{guardrail:path}/version/{version}/apply")
    async def _(guardrail: str, version: str, request: Request) -> Response:
        body, _ = await read(request, "ApplyGuardrail", f"{guardrail}:{version}")
        text = " ".join(block["text"]["text"] for block in body["content"] if "text" in block).casefold()
        stopped = any(word in text for word in blocked)
        return JSONResponse(
            {
                "usage": dict.fromkeys(GUARDRAIL_USAGE, 0),
                "action": "GUARDRAIL_INTERVENED" if stopped else "NONE",
                "outputs": [{"text": "Sorry, this cannot be answered."}] if stopped else [],
                "assessments": [],
            }
        )

    @app.get("/healthz")
    async def _() -> dict[str, str]:
        return {"status": "ok"}

    @app.put("/standin/faults")
    async def _(fault: Fault) -> dict[str, int]:
        faults.pending.append(fault)
        return {"pending": len(faults.pending)}

    @app.delete("/standin/faults")
    async def _() -> dict[str, int]:
        faults.pending.clear()
        return {"pending": 0}

    @app.get("/standin/calls")
    async def _() -> list[dict[str, Any]]:
        return list(calls)

    return app


GUARDRAIL_USAGE = (
    "topicPolicyUnits",
    "contentPolicyUnits",
    "wordPolicyUnits",
    "sensitiveInformationPolicyUnits",
    "sensitiveInformationPolicyFreeUnits",
    "contextualGroundingPolicyUnits",
)
