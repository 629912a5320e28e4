"""The FastAPI application of file-sync: routes and error responses."""

from fastapi import FastAPI
from servicekit.cloudwatch import write_metrics
from servicekit.web import app as web
from servicekit.web import probes
from servicekit.web.errors import add_error_handlers
from servicekit.web.middleware import RequestMiddleware, RouteLimits

from .api import files, hints
from .cloudwatch import METRICS
from .context import open_context
from .metrics import REQUEST_SECONDS
from .settings import FileSyncSettings

__all__ = ["make_app"]

LIMITS = RouteLimits(seconds=30.0, body_bytes=0)
"""Limits of every route; bodies are refused, because no route reads a body."""


def make_app(settings: FileSyncSettings) -> FastAPI:
    """Return the application; it opens its connections when it starts, and closes them when it ends."""
    app = web.make_app(
        "file-sync",
        lambda: open_context(settings),
        (files.router, hints.router, probes.router),
        REQUEST_SECONDS,
        lambda: write_metrics(METRICS, settings.cloudwatch_dimensions),
    )
    add_error_handlers(app)
    app.add_middleware(
        RequestMiddleware, service="file_sync", durations=REQUEST_SECONDS, limits={}, default=LIMITS
    )
    return app
