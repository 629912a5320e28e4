"""``python -m gateway``: serve until told to stop; requests under way are finished first."""

import uvicorn
from tenancy.logs import configure_logs

from .app import make_app
from .settings import Settings

GRACE_SECONDS = 30
"""How long requests under way may take after SIGTERM; the chart's grace period is longer."""


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
    )


if __name__ == "__main__":
    main()
