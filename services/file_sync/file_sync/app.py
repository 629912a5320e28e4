"""The application: routes, errors and the process context, put together."""

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
    """Return the application; its connections are opened when it starts and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with exporting("tenantry-file-sync"), open_context(settings) as context:
            app.state.context = context
            yield

    app = FastAPI(
        title="Tenantry file-sync",
        version="v1",
        lifespan=lifespan,
        docs_url=None,  # their pages would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # Spans of requests are FastAPI's. Its log records would hold the words of exceptions.
        telemetry={"operation_spans": False, "metrics": False, "logs": False},
    )
    add_error_handlers(app)
    app.add_middleware(RequestMiddleware)
    for router in (files.router, hints.router, probes.router):
        app.include_router(router)
    return app
