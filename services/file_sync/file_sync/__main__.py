"""``python -m file_sync``: run the sync loops and the HTTP API until a signal stops them."""

import uvicorn
from prometheus_client import start_http_server
from servicekit.logs import configure_logs
from servicekit.web.server import BoundedH11Protocol

from .app import make_app
from .settings import Settings

GRACE_SECONDS = 10
"""Longest time for requests in progress after SIGTERM. The next run completes an interrupted sync."""


def main() -> None:
    """Run file-sync."""
    settings = Settings()
    configure_logs("file-sync", settings.log_level)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host)
    uvicorn.run(
        make_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        http=BoundedH11Protocol,
    )


if __name__ == "__main__":
    main()
