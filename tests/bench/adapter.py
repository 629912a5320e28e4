"""OpenAI-compatible HTTP API in front of the Bedrock stand-in, for Open WebUI without Tenantry.

Embeddings and answers are the same as the gateway's. The prompt of Open WebUI is converted to the stand-in's
format: passages and a question.
"""

import asyncio
import html
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

__all__ = ["EMBEDDINGS", "MODEL", "build_converse_request", "make_adapter"]

MODEL = "claude"
"""Name of the chat model."""

EMBEDDINGS = "titan"
"""Name of the embedding model."""

_TITAN = "amazon.titan-embed-text-v2:0"
_CLAUDE = "us.anthropic.claude-sonnet-4-6"
_SIGNED = {"Authorization": "Bearer any"}
_SOURCE = re.compile(r'<source id="(\d+)"[^>]*>(.*?)</source>', re.DOTALL)


def make_adapter(bedrock: httpx.AsyncClient) -> FastAPI:
    """Return the application; ``bedrock`` is a client of the stand-in."""
    app = FastAPI(openapi_url=None)

    async def call(path: str, body: Mapping[str, Any]) -> Any:
        response = await bedrock.post(path, json=body, headers=_SIGNED)
        response.raise_for_status()
        return response.json()

    async def embed(text: str) -> list[float]:
        response = await call(f"/model/{_TITAN}/invoke", {"inputText": text})
        numbers: list[float] = response["embedding"]
        return numbers

    @app.get("/v1/models")
    async def _() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "bench"}]}

    @app.post("/v1/embeddings")
    async def _(request: Request) -> dict[str, Any]:
        given = (await request.json())["input"]
        texts = [given] if isinstance(given, str) else given
        rows = await asyncio.gather(*map(embed, texts))
        data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
        return {"object": "list", "data": data, "model": EMBEDDINGS}

    @app.post("/v1/chat/completions")
    async def _(request: Request) -> Response:
        body = await request.json()
        answer = await call(f"/model/{_CLAUDE}/converse", build_converse_request(body["messages"]))
        text = answer["output"]["message"]["content"][0]["text"]
        if body.get("stream"):
            return StreamingResponse(_stream_events(text), media_type="text/event-stream")
        message = {"role": "assistant", "content": text}
        return JSONResponse(_make_completion("chat.completion", message=message, finish_reason="stop"))

    return app


def build_converse_request(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a Converse request with the last message of a chat and the passages retrieved for it.

    Open WebUI writes the passages before the question or into the system message.
    """
    texts = [_join_text(message["content"]) for message in messages]
    # The instructions also contain the tag, so only sources inside the context are passages.
    contexts = [text.partition("<context>")[2].rpartition("</context>")[0] for text in texts]
    sources = [source for context in contexts for source in _SOURCE.findall(context)]
    passages = "\n".join(f'<passage id="{number}">{text}</passage>' for number, text in sources)
    question = html.escape(texts[-1].rpartition("</context>")[2].strip(), quote=False)
    prompt = f"{passages}\n<question>{question}</question>"
    return {"messages": [{"role": "user", "content": [{"text": prompt}]}]}


def _join_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


async def _stream_events(text: str) -> AsyncIterator[str]:
    for choice in (
        {"delta": {"role": "assistant", "content": text}, "finish_reason": None},
        {"delta": {}, "finish_reason": "stop"},
    ):
        yield f"data: {json.dumps(_make_completion('chat.completion.chunk', **choice))}\n\n"
    yield "data: [DONE]\n\n"


def _make_completion(kind: str, **choice: Any) -> dict[str, Any]:
    now = time.time()
    head = {"id": f"bench-{now}", "object": kind, "created": int(now), "model": MODEL}
    return {**head, "choices": [{"index": 0, **choice}]}
