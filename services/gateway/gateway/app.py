"""The gateway's FastAPI application: routes, limits of the routes, error responses."""

from dataclasses import replace
from typing import TypedDict

from fastapi import FastAPI
from servicekit.cloudwatch import write_metrics
from servicekit.web import app as web
from servicekit.web import probes
from servicekit.web.errors import add_error_handlers
from servicekit.web.middleware import RouteLimits

from .api import answers, deletions, documents, me, openai, search, trash, usage
from .api.description import describe
from .api.errors import render_problem
from .api.middleware import TimedRequestMiddleware
from .cloudwatch import METRICS
from .concurrency import ConcurrencyLimiter
from .context import open_context
from .metrics import REQUEST_SECONDS
from .settings import GatewaySettings

__all__ = ["make_app"]


MAX_BODY_BYTES = 64 * 1024
"""Largest body of a request that is neither a document nor a chat."""

MAX_CHAT_BYTES = 1024 * 1024
"""Largest body with a conversation; only its latest turns are used."""

QUEUE_TIMEOUT_SECONDS = 10.0
"""Longest wait of a request for its turn. People who wait longer repeat the request, which adds load."""


class _Limits(TypedDict):
    limits: dict[str, RouteLimits]
    default: RouteLimits


def make_app(settings: GatewaySettings) -> FastAPI:
    """Return the application; its connections are opened when it starts and closed when it ends."""
    app = web.make_app(
        "gateway",
        lambda: open_context(settings),
        (
            documents.router,
            trash.router,
            deletions.router,
            search.router,
            answers.router,
            openai.router,
            usage.router,
            me.router,
            probes.router,
        ),
        REQUEST_SECONDS,
        lambda: write_metrics(METRICS, settings.cloudwatch_dimensions),
        openapi_url=None,  # describe() adds the route
    )
    add_error_handlers(app, render_problem)
    app.add_middleware(
        TimedRequestMiddleware,
        service="gateway",
        durations=REQUEST_SECONDS,
        render=render_problem,
        **_build_limits(settings),
    )
    describe(app)
    return app


def _build_limits(settings: GatewaySettings) -> _Limits:
    limiter = ConcurrencyLimiter(
        "requests",
        max_concurrent=settings.request_concurrency,
        max_waiting=settings.request_queue,
        wait_seconds=QUEUE_TIMEOUT_SECONDS,
        max_per_tenant=max(settings.request_concurrency // 2, 1),
    )
    default = RouteLimits(settings.request_timeout_seconds, MAX_BODY_BYTES, limiter.acquire)
    chat = replace(default, body_bytes=MAX_CHAT_BYTES)
    ingest = replace(
        default,
        seconds=settings.ingest_timeout_seconds,
        body_bytes=settings.document_bytes + documents.MAX_FORM_BYTES,
    )
    limits = {
        "POST /v1/documents": ingest,
        "POST /v1/answers": chat,
        "POST /v1/chat/completions": chat,
    }
    return {"limits": limits, "default": default}
