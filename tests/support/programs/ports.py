"""Ports of 127.0.0.1."""

from tenantry_local.free_ports import choose_free_ports

__all__ = ["find_free_port"]


def find_free_port() -> int:
    """Return a free port, and reserve it among the processes of the test run."""
    (port,) = choose_free_ports(1)
    return port
