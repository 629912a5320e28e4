"""``python -m gateway``: serve until SIGTERM, and finish the requests in progress first."""

import math

from servicekit.logs import configure_logs
from servicekit.settings import read_settings
from servicekit.web.app import serve

from .app import make_app
from .settings import GatewaySettings

GRACE_SECONDS = 5
"""Seconds that requests in progress are given after SIGTERM beyond the longest duration of a question.

A stream that has begun comes to its end. Documents can take longer: another gateway's repair completes one
that is cut off. The chart's grace period exceeds the sum.
"""


def main() -> None:
    """Run the gateway."""
    settings = read_settings(GatewaySettings)
    configure_logs("gateway", settings.log_level)
    grace_seconds = math.ceil(settings.request_timeout_seconds) + GRACE_SECONDS
    serve(make_app(settings), settings, grace_seconds=grace_seconds)


if __name__ == "__main__":
    main()
