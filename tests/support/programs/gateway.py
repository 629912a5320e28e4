"""A gateway under test: the real application on a free port in the test's event loop.

It runs in the same process, for coverage and so that tests can access its state.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import uvicorn
from fastapi import FastAPI
from gateway.app import make_app
from gateway.context import GatewayContext
from gateway.settings import GatewaySettings
from prometheus_client import REGISTRY
from servicekit.web.server import BoundedH11Protocol
from tenantry_local.parts.services import build_gateway_env
from tenantry_local.platform import Platform
from typing_extensions import override

from tests.support.security.certificates import Certificates

__all__ = [
    "RunningGateway",
    "count_cross_tenant_hits",
    "make_gateway_settings",
    "run_gateway",
    "serve_app",
    "set_environment",
]

START_SECONDS = 30


@dataclass(frozen=True)
class RunningGateway:
    """A running gateway, and a client of its API."""

    app: FastAPI
    url: str
    http: httpx.AsyncClient

    @property
    def context(self) -> GatewayContext:
        """Context of the gateway's handlers."""
        context: GatewayContext = self.app.state.context
        return context


class _Server(uvicorn.Server):
    """Server that leaves the handling of signals to pytest."""

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


def make_gateway_settings(platform: Platform, **overrides: Any) -> GatewaySettings:
    """Return settings for the platform. Call it inside :func:`set_environment`."""
    with set_environment(build_gateway_env(platform.context)):
        return GatewaySettings(**{"port": 0, **overrides})


@contextmanager
def set_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of this process inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@asynccontextmanager
async def serve_app(
    app: Any, shown: Certificates | None = None, *, lifespan: Literal["on", "off"] = "on"
) -> AsyncIterator[str]:
    """Serve an ASGI application on 127.0.0.1, with TLS if ``shown`` is a certificate; yield its URL."""
    config = uvicorn.Config(
        app,
        port=0,
        log_config=None,
        access_log=False,
        lifespan=lifespan,
        http=BoundedH11Protocol,
        # Longer than clients keep idle connections: otherwise a request may meet a closing connection.
        timeout_keep_alive=60,
    )
    if shown:
        config.ssl_certfile, config.ssl_keyfile = shown.certificate, shown.key
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(START_SECONDS):
            while not server.started:
                if task.done():
                    raise RuntimeError("the application did not start; see its log")
                await asyncio.sleep(0.01)
        scheme = "https" if shown else "http"
        yield f"{scheme}://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        with contextlib.suppress(SystemExit):
            await task


@asynccontextmanager
async def run_gateway(platform: Platform, **overrides: Any) -> AsyncIterator[RunningGateway]:
    """Serve a gateway on the platform's backends; ``overrides`` are settings."""
    app = make_app(make_gateway_settings(platform, **overrides))
    with set_environment(build_gateway_env(platform.context)):
        async with serve_app(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
            yield RunningGateway(app, url, http)


def count_cross_tenant_hits() -> float:
    """Return the number of points of other tenants that Qdrant has returned so far."""
    return REGISTRY.get_sample_value("tenantry_gateway_cross_tenant_hits_total") or 0.0
