"""Base class of the local platform's parts, and health checks that they share."""

import shutil
import signal
import socket
import ssl
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

import httpx

from .context import Context
from .processes import LocalError

__all__ = ["Command", "PlatformPart", "find_program", "get_system_tls_context", "is_http_ok", "is_port_open"]


@dataclass(frozen=True)
class Command:
    """Arguments and environment of a part's program."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


class PlatformPart(ABC):
    """One program of the platform.

    Parameters
    ----------
    context
        Configuration of the platform.
    """

    name: ClassVar[str]
    summary: str
    """Purpose of the part, in a few words."""
    real: bool = True
    """True for the program that production runs, false for a stand-in."""
    managed: bool = True
    """True if the platform starts and stops the program; false if the program is external."""
    depends_on: ClassVar[tuple[str, ...]] = ()
    """Names of the parts that must be up before this one starts."""
    ports: ClassVar[tuple[str, ...]] = ()
    """Names of the ports that the program listens on."""
    start_timeout: ClassVar[float] = 60.0
    """Seconds after its start within which it must become healthy."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    """Signal for an orderly shutdown."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @property
    @abstractmethod
    def version(self) -> str:
        """Return the version of the program."""

    @property
    def url(self) -> str:
        """Return the base URL."""
        return self.context.build_url(self.name)

    def prepare(self) -> None:  # noqa: B027 (some programs need nothing)
        """Download, build or write everything that the program needs to start. Idempotent."""

    def restore(self) -> None:  # noqa: B027 (most programs start empty)
        """Write the data that the program needs at its start. Its dependencies are healthy. Idempotent."""

    @abstractmethod
    def build_command(self) -> Command:
        """Return the command that starts the program, if it is :attr:`managed`."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Return True if the program answers its health check."""

    def provision(self) -> None:  # noqa: B027 (most programs need nothing)
        """Create the objects that other parts expect, in the program that is healthy now. Idempotent."""


def find_program(name: str) -> str:
    """Return the path of a program from this virtual environment or, failing that, from the PATH.

    Raises
    ------
    LocalError
        The program is neither in this environment nor on the PATH.
    """
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not path:
        raise LocalError(f"The program {name} is not installed. `make up` installs it.")
    return path


def is_http_ok(
    url: str, *, seconds: float = 2, verify: bool = True, headers: Mapping[str, str] | None = None
) -> bool:
    """Return True if a GET of ``url`` is answered with 2xx in time."""
    trust = get_system_tls_context() if verify else False
    try:
        return httpx.get(url, timeout=seconds, verify=trust, headers=headers).is_success
    except httpx.HTTPError:
        return False


@cache
def get_system_tls_context() -> ssl.SSLContext:
    """Return the cached TLS context with the system's CAs, which takes 25 ms to create."""
    return httpx.create_ssl_context()


def is_port_open(port: int) -> bool:
    """Return True if a program listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
