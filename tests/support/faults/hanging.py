"""Suspension of a platform's parts, which then accept connections but do not respond."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tenantry_local.platform import Platform

__all__ = ["suspend_parts"]


@contextmanager
def suspend_parts(platform: Platform, *names: str) -> Iterator[None]:
    """Suspend all processes of these parts while the block runs."""
    _send_signal(platform, names, signal.SIGSTOP)
    try:
        yield
    finally:
        _send_signal(platform, names, signal.SIGCONT)


def _send_signal(platform: Platform, names: tuple[str, ...], number: signal.Signals) -> None:
    for name in names:
        process = platform.processes.find(name)
        assert process
        os.killpg(process.pid, number)  # each part leads a separate session and process group
