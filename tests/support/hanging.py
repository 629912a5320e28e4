"""Parts of a platform that hang: they take connections, and say nothing."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tenantry_local.platform import Platform

__all__ = ["hanging"]


@contextmanager
def hanging(platform: Platform, *names: str) -> Iterator[None]:
    """Stop every process of these parts while the block runs."""
    _signal(platform, names, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(platform, names, signal.SIGCONT)


def _signal(platform: Platform, names: tuple[str, ...], number: signal.Signals) -> None:
    for name in names:
        process = platform.processes.find(name)
        assert process
        os.killpg(process.pid, number)  # each part leads a session, and so a group, of its own
