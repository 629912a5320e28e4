"""FastAPI application and server of a service."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from prometheus_client import Histogram, start_http_server
from starlette.types import ASGIApp

from ..series import create_series
from ..settings import HttpSettings
from ..tracing import export_spans
from .server import BoundedH11Protocol

__all__ = ["make_app", "serve"]

KEEP_ALIVE_TIMEOUT_SECONDS = 75
"""Longest idle time of a connection. It exceeds a load balancer's 60 s. Otherwise the balancer would send a
request on a connection that the server is closing, and answer 502."""


def make_app(
    name: str,
    open_context: Callable[[], AbstractAsyncContextManager[object]],
    routers: Sequence[APIRouter],
    durations: Histogram,
    cloudwatch: Callable[[], AbstractContextManager[None]] = nullcontext,
    **options: Any,
) -> FastAPI:
    """Return an application whose context is opened at start and closed at the end.

    Parameters
    ----------
    name
        Name of the service in traces and in the API's title: ``gateway``.
    open_context
        Opens ``app.state.context``.
    durations
        Histogram of the requests. Each route gets its series of server errors, so that the first error is an
        increase.
    cloudwatch
        Writes metrics for CloudWatch while the application runs. uvicorn ends the process with the signal
        that it received, so only the application can write a last line.
    options
        Further arguments of :class:`fastapi.FastAPI`.
    """

    @asynccontextmanager
    async def run_lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with export_spans(f"tenantry-{name}"), open_context() as context:
            app.state.context = context
            await asyncio.to_thread(app.openapi)  # otherwise the first request that needs it would wait
            with cloudwatch():
                yield

    app = FastAPI(
        title=f"Tenantry {name}",
        version="v1",
        lifespan=run_lifespan,
        docs_url=None,  # these pages load scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # FastAPI makes the spans of requests. Its log records would contain the messages of exceptions.
        telemetry={"operation_spans": False, "metrics": False, "logs": False},
        **options,
    )
    for router in routers:
        app.include_router(router)
        for route in router.routes:
            if isinstance(route, APIRoute):
                create_series(durations, route.methods or (), (route.path,), ("5xx",))
    return app


def serve(app: ASGIApp, settings: HttpSettings, *, grace_seconds: int) -> None:
    """Serve an application until SIGTERM, and its metrics on a separate port.

    Parameters
    ----------
    grace_seconds
        Longest time that requests in progress are given after SIGTERM.
    """
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
        timeout_keep_alive=KEEP_ALIVE_TIMEOUT_SECONDS,
        http=BoundedH11Protocol,
    )
