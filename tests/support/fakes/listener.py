"""HTTP server that records requests and answers all of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response

from tests.support.programs.gateway import serve_app

__all__ = ["Listener", "run_listener"]


@dataclass
class Listener:
    """Recorded requests of all clients."""

    url: str = ""
    heard: list[str] = field(default_factory=list)


@asynccontextmanager
async def run_listener() -> AsyncIterator[Listener]:
    """Listen on a port of 127.0.0.1."""
    listener, app = Listener(), FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "HEAD", "OPTIONS"])
    async def _(request: Request) -> Response:
        listener.heard.append(request.url.path)
        return Response(headers={"Access-Control-Allow-Origin": "*"})

    async with serve_app(app) as url:
        listener.url = url
        yield listener
