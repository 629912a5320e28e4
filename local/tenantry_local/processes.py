"""Starts programs that outlive us, finds them again, and stops those and no others.

A record of pid *and* start time is kept for each: a pid alone may by now belong to somebody else.
"""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from .context import write_private

__all__ = ["LocalError", "PortTaken", "Process", "Processes", "holder"]

STOP_SECONDS = 20.0
"""How long a program may take to stop in order before it is killed."""


class LocalError(Exception):
    """Something about the platform that a person has to know; the message says what to do."""


class PortTaken(LocalError):
    """A port that a part needs belongs to another program."""


@dataclass(frozen=True)
class Process:
    """A program that we started."""

    pid: int
    started: float
    fingerprint: str


class Processes:
    """The programs of one platform.

    Parameters
    ----------
    state
        The platform's folder; records go to ``run/``, output to ``logs/``.
    """

    def __init__(self, state: Path) -> None:
        self._run = state / "run"
        self._logs = state / "logs"
        for folder in (self._run, self._logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def find(self, name: str) -> Process | None:
        """Return the running program of that name, or ``None``."""
        record = self._run / f"{name}.json"
        if not record.exists():
            return None
        process = Process(**json.loads(record.read_text()))
        return process if _alive(process) else None

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Process:
        """Start a program in a session of its own, with nothing of our environment but the basics."""
        base = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        with self.log(name).open("ab") as log:
            popen = subprocess.Popen(
                list(argv),
                env={**base, **env},
                cwd=self._run,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(popen.pid, psutil.Process(popen.pid).create_time(), fingerprint(argv, env))
        write_private(self._run / f"{name}.json", json.dumps(asdict(process)))
        return process

    def stop(self, name: str, *, kill: bool = False) -> bool:
        """Stop the program of that name; tell whether there was one."""
        process = self.find(name)
        if process:
            _end_session(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        (self._run / f"{name}.json").unlink(missing_ok=True)
        return process is not None

    def names(self) -> list[str]:
        """Return the names of all programs that have a record, running or not."""
        return sorted(path.stem for path in self._run.glob("*.json"))

    def log(self, name: str) -> Path:
        """Return the file that a program's output goes to."""
        return self._logs / f"{name}.log"

    def tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines of a program's output."""
        log = self.log(name)
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


_INHERITED = (
    "HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER", "COVERAGE_PROCESS_START",
)  # fmt: skip


def fingerprint(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Return a digest of how a program is started: another one means that it must be restarted."""
    return hashlib.sha256(json.dumps([list(argv), sorted(env.items())]).encode()).hexdigest()


def holder(port: int) -> str | None:
    """Say which program listens on a port of this machine; ``None`` when nobody does."""
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
            continue
        if connection.pid is None:
            return "a program of another user"
        try:
            return f"pid {connection.pid}: {' '.join(psutil.Process(connection.pid).cmdline())[:100]}"
        except psutil.Error:
            return f"pid {connection.pid}"
    return None


def _alive(process: Process) -> bool:
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) < 1
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end_session(pid: int, sign: signal.Signals) -> None:
    """Signal a whole session (a shell script's child, too), and kill what is left of it in the end."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    os.killpg(pid, sign)
    _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)
    _reap(pid)


def _reap(pid: int) -> None:
    """Collect the exit status if the program is our own child: a zombie would hold its pid."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            done, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return
        if done:
            return
        time.sleep(0.01)
