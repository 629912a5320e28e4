"""``python -m gateway``: serve until SIGTERM, and finish the requests in progress first."""

import math

from servicekit.logs import configure_logs
from servicekit.settings import read_settings
from servicekit.web.app import serve

from .app import make_app
from .settings import GatewaySettings

GRACE_SECONDS = 5
"""Seconds after SIGTERM for requests in progress, in addition to the longest duration of a question.

So every started stream can finish. An ingest can take longer: if the exit interrupts it, another gateway's
repair completes it. The chart's grace period exceeds the sum of both durations.
"""


def main() -> None:
    """Run the gateway."""
    settings = read_settings(GatewaySettings)
    configure_logs("gateway", settings.log_level)
    grace_seconds = math.ceil(settings.request_timeout_seconds) + GRACE_SECONDS
    serve(make_app(settings), settings, grace_seconds=grace_seconds)


if __name__ == "__main__":
    main()
