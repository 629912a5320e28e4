"""ASGI application: routes, error handlers and the process context."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from servicekit.tracing import exporting

from .api import files, hints, probes
from .api.errors import add_error_handlers
from .api.middleware import RequestMiddleware
from .context import open_context
from .settings import Settings

__all__ = ["make_app"]


def make_app(settings: Settings) -> FastAPI:
    """Return the application; it opens its connections at its start and closes them at its end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with exporting("tenantry-file-sync"), open_context(settings) as context:
            app.state.context = context
            yield

    app = FastAPI(
        title="Tenantry file-sync",
        version="v1",
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # FastAPI makes the spans of requests. Its log records would contain messages of exceptions.
        telemetry={"operation_spans": False, "metrics": False, "logs": False},
    )
    add_error_handlers(app)
    app.add_middleware(RequestMiddleware)
    for router in (files.router, hints.router, probes.router):
        app.include_router(router)
    return app
