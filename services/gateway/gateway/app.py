"""The application: routes, errors and the process context, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from servicekit.tracing import exporting

from .api import answers, deletions, documents, me, openai, probes, search, trash, usage
from .api.description import describe
from .api.errors import add_error_handlers
from .api.middleware import RequestMiddleware, RouteLimits
from .concurrency import ConcurrencyLimiter
from .context import open_context
from .settings import Settings

__all__ = ["make_app"]


BODY_BYTES = 64 * 1024
"""Largest body of a request that is neither a document nor a chat."""

CHAT_BYTES = 1024 * 1024
"""Largest body with what was said before; only the latest of it is read."""

WAITING_SECONDS = 10.0
"""Longest that a request waits for its turn. A person who waits longer asks again, and makes it worse."""


def make_app(settings: Settings) -> FastAPI:
    """Return the application; its connections are opened when it starts and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with exporting("tenantry-gateway"), open_context(settings) as context:
            app.state.context = context
            await asyncio.to_thread(app.openapi)  # so that no request waits until it is made
            yield

    app = FastAPI(
        title="Tenantry gateway",
        version="v1",
        lifespan=lifespan,
        openapi_url=None,  # describe() serves it
        docs_url=None,  # their pages would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # Spans of requests are FastAPI's. Its log records would hold the words of exceptions.
        telemetry={"operation_spans": False, "metrics": False, "logs": False},
    )
    add_error_handlers(app)
    app.add_middleware(RequestMiddleware, **_route_limits(settings))
    for router in (
        documents.router,
        trash.router,
        deletions.router,
        search.router,
        answers.router,
        openai.router,
        usage.router,
        me.router,
        probes.router,
    ):
        app.include_router(router)
    describe(app)
    return app


def _route_limits(settings: Settings) -> dict[str, Any]:
    limiter = ConcurrencyLimiter(
        "requests",
        max_concurrent=settings.requests_at_once,
        max_waiting=settings.requests_waiting,
        wait_seconds=WAITING_SECONDS,
        max_per_tenant=max(settings.requests_at_once // 2, 1),
    )
    default = RouteLimits(limiter, settings.request_seconds, BODY_BYTES)
    chat = replace(default, body_bytes=CHAT_BYTES)
    ingest = replace(
        default, seconds=settings.ingest_seconds, body_bytes=settings.document_bytes + documents.FORM_BYTES
    )
    limits = {
        "POST /v1/documents": ingest,
        "POST /v1/answers": chat,
        "POST /v1/chat/completions": chat,
    }
    return {"limits": limits, "default": default}
