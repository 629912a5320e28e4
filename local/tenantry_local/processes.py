"""Starts programs that outlive us, finds them again, and stops those and no others.

A record of pid *and* start time is kept for each: a pid alone may by now belong to somebody else. The
program writes its record itself before it becomes itself, so none runs unrecorded, however we are killed.
"""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["LocalError", "PortInUse", "Process", "Processes", "find_port_owner", "fingerprint"]

STOP_SECONDS = 20.0
"""How long a program may take to stop in order before it is killed."""

RECORD_SECONDS = 10.0
"""How long a program may take to write its record: a moment, but the machine may be busy."""

RECORD_AND_EXEC = r"""
set -e
record=$1 fingerprint=$2
shift 2
read -r stat <"/proc/$$/stat"
printf '%s %s\n' "$fingerprint" "$stat" >"$record.new"
mv -f "$record.new" "$record"
exec "$@"
"""
"""What the shell does that then becomes the program. A record is a fingerprint and /proc/PID/stat."""


class LocalError(Exception):
    """Something about the platform that a person has to know; the message says what to do."""


class PortInUse(LocalError):
    """A port that a part needs belongs to another program."""


@dataclass(frozen=True)
class Process:
    """A program that we started; ``started`` is in clock ticks since the machine's own start."""

    pid: int
    started: int
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
        process = self._recorded(name)
        return process if process and _is_running(process) else None

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Process:
        """Start a program in a session of its own, with nothing of our environment but the basics.

        Stop its predecessor first: even a dead one may have left children that hold its port.

        Raises
        ------
        LocalError
            It could not be recorded, so it was not started.
        """
        record = self._record(name)
        record.unlink(missing_ok=True)
        base = {key: os.environ[key] for key in INHERITED_VARIABLES if key in os.environ}
        with self.log(name).open("ab") as log:
            popen = subprocess.Popen(
                ["/bin/sh", "-c", RECORD_AND_EXEC, "sh", str(record), fingerprint(argv, env), *argv],
                env={**base, **env},
                cwd=self._run,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + RECORD_SECONDS
        while not (process := self._recorded(name)):
            if popen.poll() is not None or time.monotonic() > deadline:
                popen.kill()
                popen.wait()
                raise LocalError(f"{name} could not be started:\n{self.tail(name)}")
            time.sleep(0.002)
        popen.returncode = 0  # it is to outlive us, so nobody waits for it, and Python need not warn of that
        return process

    def stop(self, name: str, sign: signal.Signals = signal.SIGTERM) -> bool:
        """Stop the program of that name with a signal, and what it has started; tell whether it ran."""
        process = self._recorded(name)
        if not process:
            return False
        running = _is_running(process)
        if _read_start_time(process.pid) in (None, process.started):  # else the pid is a stranger's by now
            _end_session(process.pid, sign)
        self._record(name).unlink(missing_ok=True)
        return running

    def cpu_seconds(self, name: str) -> float:
        """Return the processor time that the program of that name and its session have used so far."""
        process = self.find(name)
        total = 0.0
        for member in _session_processes(process.pid) if process else ():
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system
        return total

    def names(self) -> list[str]:
        """Return the names of all programs that have a record, running or not."""
        return sorted(path.stem for path in self._run.glob("*.process"))

    def log(self, name: str) -> Path:
        """Return the file that a program's output goes to."""
        return self._logs / f"{name}.log"

    def tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines of a program's output."""
        log = self.log(name)
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    def _record(self, name: str) -> Path:
        return self._run / f"{name}.process"

    def _recorded(self, name: str) -> Process | None:
        try:
            digest, _, stat = self._record(name).read_text().partition(" ")
        except FileNotFoundError:
            return None
        return Process(int(stat.split()[0]), _parse_start_time(stat), digest)


INHERITED_VARIABLES = (
    "HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER", "COVERAGE_PROCESS_CONFIG",
)  # fmt: skip


def fingerprint(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Return a digest of how a program is started: another one means that it must be restarted."""
    return hashlib.sha256(json.dumps([list(argv), sorted(env.items())]).encode()).hexdigest()


def find_port_owner(port: int) -> str | None:
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


def _parse_start_time(stat: str) -> int:
    """Read the start from a line of /proc/PID/stat: field 22; the name in field 2 may hold anything."""
    return int(stat.rpartition(")")[2].split()[19])


def _read_start_time(pid: int) -> int | None:
    """Return when the program of that pid was started; ``None`` when there is none."""
    try:
        return _parse_start_time(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def _is_running(process: Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return _read_start_time(process.pid) == process.started and _is_alive(psutil.Process(process.pid))
    return False


def _end_session(leader: int, sign: signal.Signals) -> None:
    """Signal a whole session (a shell script's child, too), and kill what is left of it in the end.

    The leader's pid is the session's, and the kernel gives it to nobody else while a member lives.
    """
    family = _session_processes(leader)
    with suppress(ProcessLookupError):  # it ended by itself meanwhile
        os.killpg(leader, sign)
    for process in _wait_ended(family):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _wait_ended(family)
    with suppress(ChildProcessError):  # an earlier run started it, so it is not our child
        os.waitpid(leader, os.WNOHANG)


def _session_processes(leader: int) -> list[psutil.Process]:
    """Return a session's members, and their children that made sessions of their own (as Postgres' do)."""
    family: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader:
                family |= {process, *process.children(recursive=True)}
    return list(family)


def _wait_ended(family: list[psutil.Process]) -> list[psutil.Process]:
    """Wait until all have ended; return those that have not in time.

    psutil's own waiting waits for zombies, too: for seconds, or for ever where init does not collect them.
    """
    deadline = time.monotonic() + STOP_SECONDS
    while (left := [process for process in family if _is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
