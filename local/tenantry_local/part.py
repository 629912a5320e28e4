"""What every part of the local platform can say and do."""

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

__all__ = ["Command", "Part", "find_program", "is_http_ok", "is_port_open"]


@dataclass(frozen=True)
class Command:
    """How a part's program is started."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


class Part(ABC):
    """One program of the platform.

    Parameters
    ----------
    context
        The platform it belongs to.
    """

    name: ClassVar[str]
    summary: str
    """What it is, in a few words."""
    real: bool = True
    """Whether it is the program that production runs, not a stand-in for it."""
    managed: bool = True
    """Whether the platform starts and stops it; else somebody else runs it, and it is only used."""
    depends_on: ClassVar[tuple[str, ...]] = ()
    ports: ClassVar[tuple[str, ...]] = ()
    start_timeout: ClassVar[float] = 60.0
    """Seconds from its start until it must be healthy."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    """What asks the program to end in order."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the program."""

    @property
    def url(self) -> str:
        """Where people and programs reach it."""
        return self.context.url(self.name)

    def prepare(self) -> None:  # noqa: B027 (some programs need nothing)
        """Get everything ready that must be there before the program starts. Idempotent."""

    def restore(self) -> None:  # noqa: B027 (most programs start empty)
        """Write the data that the program starts with, once what it depends on is healthy. Idempotent."""

    @abstractmethod
    def command(self) -> Command:
        """Return how the program is started, if it is :attr:`ours`."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Tell whether the program can do its work now."""

    def provision(self) -> None:  # noqa: B027 (most programs need nothing)
        """Put into the healthy program what the others expect in it. Idempotent."""


def find_program(name: str) -> str:
    """Return a program of our own virtual environment, else one from the PATH.

    Raises
    ------
    FileNotFoundError
        Neither has it.
    """
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if not found:
        raise FileNotFoundError(f"the program {name} is not installed; `make up` installs it")
    return found


def is_http_ok(
    url: str, *, seconds: float = 2, verify: bool = True, headers: Mapping[str, str] | None = None
) -> bool:
    """Tell whether a GET of ``url`` is answered with 2xx within some seconds."""
    trust = _authorities() if verify else False
    try:
        return httpx.get(url, timeout=seconds, verify=trust, headers=headers).is_success
    except httpx.HTTPError:
        return False


@cache
def _authorities() -> ssl.SSLContext:
    """Read whom the system trusts, which takes longer than most answers: parts are asked again and again."""
    return httpx.create_ssl_context()


def is_port_open(port: int) -> bool:
    """Tell whether anybody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
