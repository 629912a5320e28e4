"""The application: routes, errors and the process context, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from .api import answers, documents, openai, probes, search, usage
from .api.errors import add_error_handlers
from .api.middleware import RequestMiddleware
from .context import open_context
from .settings import Settings

__all__ = ["make_app"]


CHAT_BYTES = 1024 * 1024
"""Largest body with what was said before; only the latest of it is read."""


def make_app(settings: Settings) -> FastAPI:
    """Return the application; its connections are opened when it starts and closed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_context(settings) as context:
            app.state.context = context
            yield

    app = FastAPI(
        title="Tenantry gateway",
        version="v1",
        lifespan=lifespan,
        docs_url=None,  # their pages would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    add_error_handlers(app)
    app.add_middleware(
        RequestMiddleware,
        body_bytes={
            "/v1/documents": settings.document_bytes + documents.FORM_BYTES,
            "/v1/answers": CHAT_BYTES,
            "/v1/chat/completions": CHAT_BYTES,
        },
    )
    for router in (
        documents.router,
        search.router,
        answers.router,
        openai.router,
        usage.router,
        probes.router,
    ):
        app.include_router(router)
    return app
