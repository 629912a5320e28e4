"""Log configuration for tests.

By default, structlog renders tracebacks with all local variables through rich, which can take ten seconds.
"""

import structlog

__all__ = ["configure_plain_logs"]


def configure_plain_logs() -> None:
    """Configure logs as short lines."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
        cache_logger_on_first_use=False,
    )
