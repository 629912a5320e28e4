"""Authenticated request: its engine, its rights and its response."""

import time
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic_core
from fastapi import Depends, Request, Response

from .access import Access, Level
from .engine import Engine

__all__ = ["AuthenticatedCall", "Call"]


@dataclass(frozen=True)
class Call:
    """One request: its engine, its rights and its start time."""

    engine: Engine
    access: Access
    started: float

    def require(self, collection: str, needed: Level) -> Engine:
        """Return the engine; raise unless the caller's rights on a collection include a level."""
        self.access.require(collection, needed)
        return self.engine

    def respond(self, result: Any) -> Response:
        """Return a result in Qdrant's envelope."""
        spent = round(time.perf_counter() - self.started, 6)
        envelope = {"result": result, "status": "ok", "time": spent}
        return Response(pydantic_core.to_json(envelope, exclude_none=True), media_type="application/json")


async def authenticate(request: Request) -> Call:
    """Verify a request's credentials."""
    state = request.app.state
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return Call(
        state.engine,
        state.authenticator.authenticate(request.headers.get("api-key") or bearer),
        time.perf_counter(),
    )


AuthenticatedCall = Annotated[Call, Depends(authenticate)]
