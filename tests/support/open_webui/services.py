"""Fake of the gateway, n8n and file-sync for tests of Open WebUI's functions."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

__all__ = ["ANSWER", "Services", "make_problem", "make_uid"]

ANSWER: dict[str, Any] = {
    "answer": "The budget is $5,000,000 [1]. It was approved in May [2] [1].",
    "format": "markdown",
    "citations": [
        {
            "marker": 1,
            "documentId": "owui-file-1",
            "filename": "plan.pdf",
            "page": 3,
            "snippet": "$5,000,000",
        },
        {"marker": 2, "documentId": "by-hand", "filename": "notes.md", "page": None, "snippet": "In May."},
    ],
    "grounded": True,
    "model": "a-model",
    "cached": False,
    "usage": {"inputTokens": 1, "outputTokens": 1},
}


def make_problem(status: int, slug: str, **members: Any) -> tuple[int, dict[str, Any]]:
    """Return a status and a problem document like those of the gateway."""
    return status, {
        "type": f"https://tenantry.io/problems/{slug}",
        "title": slug,
        "status": status,
        **members,
    }


def make_uid(tenant: str) -> str:
    """Return the uid of a Tenant in this fake."""
    return f"uid-of-{tenant}"


@dataclass
class Services:
    """Configured answers and recorded requests of the three services."""

    refusal: tuple[int, dict[str, Any]] | None = None
    """Status and body of the response to each question; by default questions are answered."""
    n8n_status: int | None = None
    """Status of n8n's responses if n8n must fail."""
    tenants: dict[str, Any] = field(default_factory=dict)
    """Status and body of ``/v1/me``, by the e-mail address in the access token."""
    hangs: asyncio.Event | None = None
    """Event that delays ``/v1/me``: it answers after the event is set."""
    files: list[dict[str, Any]] = field(default_factory=list)
    pause: float = 0.0
    """Seconds between two events of a stream."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Each question: its route, the person's e-mail address and its body."""
    hints: list[str] = field(default_factory=list)
    """Secret of each received hint."""
    proven: list[str] = field(default_factory=list)
    """E-mail address of each caller of ``/v1/me``."""
    file_requests: int = 0
    """Number of requests for files."""
    left: int = 0
    """Number of streams that were cancelled."""

    def add_member(self, email: str, tenant: str, *, uid: str = "") -> None:
        """Make a person a member of a tenant."""
        said = {"tenant": tenant, "displayName": tenant, "admin": False, "personas": []}
        self.tenants[email] = (200, said | {"tenantUid": uid or make_uid(tenant)})

    def reset(self) -> None:
        """Reset answers and records; keep the people's tenants."""
        fresh = Services(tenants=self.tenants)
        vars(self).update(vars(fresh))

    def make_app(self) -> FastAPI:
        """Return the application."""
        app = FastAPI()

        @app.post("/v1/answers")
        async def answer(request: Request) -> Response:
            body = await self._record("gateway", request)
            if self.refusal:
                return _make_refusal(*self.refusal)
            if not body.get("stream"):
                return JSONResponse(ANSWER)
            return StreamingResponse(self._stream_words(), media_type="text/event-stream")

        @app.post("/webhook/tenantry/chat")
        async def run_chat_workflow(request: Request) -> Response:
            await self._record("n8n", request)
            if self.n8n_status:
                return JSONResponse({"message": "Error in workflow"}, status_code=self.n8n_status)
            return _make_refusal(*self.refusal) if self.refusal else JSONResponse(ANSWER)

        @app.get("/v1/me")
        async def get_me(request: Request) -> Response:
            email = _read_email(request)
            self.proven.append(email)
            if self.hangs:
                await self.hangs.wait()
            status, said = self.tenants.get(email, make_problem(403, "no-tenant"))
            return JSONResponse(said, status_code=status)

        @app.get("/v1/files")
        async def list_files() -> dict[str, Any]:
            self.file_requests += 1
            return {"files": self.files}

        @app.post("/v1/hints", status_code=202)
        async def record_hint(request: Request) -> None:
            self.hints.append(request.headers.get("X-Tenantry-Hint", ""))

        return app

    async def _record(self, way: str, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.requests.append({"way": way, "email": _read_email(request), "body": body})
        return body

    async def _stream_words(self) -> AsyncIterator[bytes]:
        whole = False
        try:
            for word in _split(ANSWER["answer"]):
                yield _make_event("words", {"text": word})
                await asyncio.sleep(self.pause)
            yield _make_event("answer", ANSWER)
            whole = True
        finally:
            self.left += not whole


def _split(text: str) -> list[str]:
    """Split a text into pieces, within markers as well."""
    return [text[at : at + 5] for at in range(0, len(text), 5)]


def _make_event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _make_refusal(status: int, body: dict[str, Any]) -> Response:
    headers = {"Retry-After": "31"} if status == 429 else {}
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


def _read_email(request: Request) -> str:
    """Return the e-mail address in an access token, without verifying the token."""
    payload = request.headers["Authorization"].split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert "tenantry-gateway" in claims["aud"]
    address: str = claims["email"]
    return address
