"""``python -m file_sync``: sync and serve until told to stop."""

import uvicorn
from prometheus_client import start_http_server
from servicekit.logs import configure_logs
from servicekit.web.server import BoundedH11Protocol

from .app import make_app
from .settings import Settings

GRACE_SECONDS = 10
"""How long requests under way may take after SIGTERM. What is being synced is left: the next run goes on."""


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
