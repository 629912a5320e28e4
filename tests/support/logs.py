"""Logs of code under test, where no program has configured them.

structlog would print tracebacks with every local variable, drawn with rich: ten seconds for a deep one.
"""

import structlog

__all__ = ["plain_logs"]


def plain_logs() -> None:
    """Print logs as short lines from now on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
        cache_logger_on_first_use=False,
    )
