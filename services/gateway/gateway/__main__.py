"""``python -m gateway``: serve until told to stop; requests under way are finished first."""

import uvicorn
from tenancy.logs import configure_logs

from .app import make_app
from .settings import Settings

GRACE_SECONDS = 30
"""How long requests under way may take after SIGTERM; the chart's grace period is longer."""

KEEP_ALIVE_SECONDS = 75
"""How long a connection may be idle. Longer than a load balancer's 60, who would else send a request into one
that is being closed, and answer 502."""


def main() -> None:
    """Run the gateway."""
    settings = Settings()
    configure_logs("gateway", settings.log_level)
    uvicorn.run(
        make_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        http="h11",  # it bounds what headers may take; the faster parser does not
    )


if __name__ == "__main__":
    main()
