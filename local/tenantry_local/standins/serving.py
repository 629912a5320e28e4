"""HTTP server of the stand-ins: loopback only, one JSON log line per request, graceful shutdown."""

import argparse
import ipaddress
import socket
import time

import structlog
import uvicorn
from servicekit.logs import configure_logs
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestLogMiddleware", "add_address", "serve"]

SHUTDOWN_TIMEOUT_SECONDS = 3
"""Time for requests in flight to finish after SIGTERM."""

KEEP_ALIVE_TIMEOUT_SECONDS = 75
"""Idle time after which a connection is closed: longer than clients keep one in their pools."""

log = structlog.get_logger(__name__)


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add the options ``--host`` and ``--port``; the first log line has the number of a free port."""
    parser.add_argument("--host", type=_validate_loopback, default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free port")


def serve(app: ASGIApp, *, service: str, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises
    ------
    OSError
        The port is in use.
    """
    configure_logs(service)
    config = uvicorn.Config(
        RequestLogMiddleware(app),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_TIMEOUT_SECONDS,
    )
    address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm, which costs 40 ms per request, only if the protocol is given.
    with socket.socket(address_family, proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(config.backlog)
        log.info("Listening", host=host, port=listener.getsockname()[1])
        uvicorn.Server(config).run(sockets=[listener])


class RequestLogMiddleware:
    """Middleware that logs each answered request except health checks.

    Parameters
    ----------
    app
        The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request and log it."""
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def send_and_record(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        finally:
            spent = round((time.perf_counter() - started) * 1000, 1)
            log.info(
                "Request answered",
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=spent,
            )


def _validate_loopback(host: str) -> str:
    """Return a loopback address; refuse all others, because the stand-ins have no access control."""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise argparse.ArgumentTypeError(f"{host} is not a loopback address such as 127.0.0.1")
    return host
