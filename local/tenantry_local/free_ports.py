"""Free ports of 127.0.0.1 for platforms and programs that start at the same time."""

import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections.abc import Collection
from pathlib import Path

__all__ = ["HIGHEST_PORT", "choose_free_ports"]

HIGHEST_PORT = 65535
LOWEST_PORT = 20000
"""First candidate for a free port; well-known services use lower ones."""

_RESERVATIONS: list[int] = []
"""Descriptors of locked files, open until this process ends."""


def choose_free_ports(count: int, taken: Collection[int] = ()) -> list[int]:
    """Return free ports, and reserve them until this process ends.

    A port stays free until its program starts, so another process could choose it, too. A locked file for
    each port prevents that. The ports lie below the kernel's range for outgoing connections. A port from that
    range could be in use by the time its program restarts.

    Raises
    ------
    OSError
        Fewer ports are free.
    """
    first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = list(range(LOWEST_PORT, first_of_kernel) or range(LOWEST_PORT, HIGHEST_PORT + 1))
    random.shuffle(candidates)
    free = (port for port in candidates if port not in taken and _is_free(port) and _reserve(port))
    chosen = list(itertools.islice(free, count))
    if len(chosen) < count:
        raise OSError(f"{count} free ports are needed, {len(chosen)} were found")
    return chosen


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _reserve(port: int) -> bool:
    """Lock the file of a port; return False if this or another process holds the lock."""
    folder = Path(tempfile.gettempdir()) / f"tenantry-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _RESERVATIONS.append(descriptor)
    return True
