"""``python -m gateway``: serve until told to stop; requests under way are finished first."""

import math

import uvicorn
from prometheus_client import start_http_server
from servicekit.logs import configure_logs
from servicekit.web.server import BoundedH11Protocol

from .app import make_app
from .settings import Settings

GRACE_SECONDS = 5
"""How much longer than a question may take requests under way are waited for after SIGTERM.

So a stream that has begun comes to its end. Documents may take longer: one that is cut off is completed by
another gateway's repair. The chart's grace period is longer than both together.
"""

KEEP_ALIVE_SECONDS = 75
"""How long a connection may be idle. Longer than a load balancer's 60, who would else send a request into one
that is being closed, and answer 502."""


def main() -> None:
    """Run the gateway."""
    settings = Settings()
    configure_logs("gateway", settings.log_level)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host)
    uvicorn.run(
        make_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.request_seconds) + GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        http=BoundedH11Protocol,
    )


if __name__ == "__main__":
    main()
