"""Ports of 127.0.0.1."""

import socket

__all__ = ["find_free_port", "find_free_port_pair"]


def find_free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_free_port_pair() -> int:
    """Return the first of two consecutive free ports."""
    while True:
        port = find_free_port()
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):  # taken, or beyond the last port
                continue
            return port
