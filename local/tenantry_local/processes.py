"""Start, search and stop of programs that outlive the command that started them.

A record holds pid *and* start time of each program, because the kernel reuses pids. The shell that starts a
program writes the record before ``exec``. So every program has a record, even if this process is killed.
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

__all__ = ["LocalError", "PortInUse", "Process", "Processes", "compute_fingerprint", "find_port_owner"]

STOP_TIMEOUT_SECONDS = 20.0
"""Time for an orderly shutdown before the program is killed."""

RECORD_TIMEOUT_SECONDS = 10.0
"""Time limit for the record of a started program; long, because the machine may be busy."""

RECORD_AND_EXEC = r"""
set -e
record=$1 fingerprint=$2
shift 2
read -r stat <"/proc/$$/stat"
printf '%s %s\n' "$fingerprint" "$stat" >"$record.new"
mv -f "$record.new" "$record"
exec "$@"
"""
"""Shell script that writes the record (fingerprint and /proc/PID/stat) and executes the program."""


class LocalError(Exception):
    """An error of the local platform that the user can act on; the message says how."""


class PortInUse(LocalError):
    """A port that a part needs is in use by another program."""


@dataclass(frozen=True)
class Process:
    """A program that was started here; ``started`` is in clock ticks since the boot of the machine."""

    pid: int
    started: int
    fingerprint: str


class Processes:
    """The programs of one platform.

    Parameters
    ----------
    state
        Folder of the platform; records are in ``run/``, output is in ``logs/``.
    """

    def __init__(self, state: Path) -> None:
        self._run = state / "run"
        self._logs = state / "logs"
        for folder in (self._run, self._logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def find(self, name: str) -> Process | None:
        """Return the running program of a name, or ``None``."""
        process = self._find_recorded(name)
        return process if process and _is_running(process) else None

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Process:
        """Start a program in a separate session, with only basic variables of this environment.

        Call :meth:`stop` first, even if the former process is dead: its children may still hold the port.

        Raises
        ------
        LocalError
            The record could not be written, so the program was not started.
        """
        record = self._get_record_path(name)
        record.unlink(missing_ok=True)
        base = {key: os.environ[key] for key in INHERITED_VARIABLES if key in os.environ}
        with self.get_log_path(name).open("ab") as log:
            popen = subprocess.Popen(
                ["/bin/sh", "-c", RECORD_AND_EXEC, "sh", str(record), compute_fingerprint(argv, env), *argv],
                env={**base, **env},
                cwd=self._run,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + RECORD_TIMEOUT_SECONDS
        while not (process := self._find_recorded(name)):
            if popen.poll() is not None or time.monotonic() > deadline:
                popen.kill()
                popen.wait()
                raise LocalError(f"{name} could not be started:\n{self.read_tail(name)}")
            time.sleep(0.002)
        # The program outlives this process: suppress Python's warning about a child that is not waited for.
        popen.returncode = 0
        return process

    def stop(self, name: str, sign: signal.Signals = signal.SIGTERM) -> bool:
        """Stop the program of a name and its children; return True if it was running."""
        process = self._find_recorded(name)
        if not process:
            return False
        running = _is_running(process)
        # With another start time, the kernel has given the pid to another program.
        if _read_start_time(process.pid) in (None, process.started):
            _end_session(process.pid, sign)
        self._get_record_path(name).unlink(missing_ok=True)
        return running

    def get_cpu_seconds(self, name: str) -> float:
        """Return the processor time that the program of that name and its session have used so far."""
        process = self.find(name)
        total = 0.0
        for member in _list_session_processes(process.pid) if process else ():
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system
        return total

    def list_names(self) -> list[str]:
        """Return the names of all programs with a record, running or not."""
        return sorted(path.stem for path in self._run.glob("*.process"))

    def get_log_path(self, name: str) -> Path:
        """Return the log file of a program."""
        return self._logs / f"{name}.log"

    def read_tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines of a program's log."""
        log = self.get_log_path(name)
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    def _get_record_path(self, name: str) -> Path:
        return self._run / f"{name}.process"

    def _find_recorded(self, name: str) -> Process | None:
        try:
            digest, _, stat = self._get_record_path(name).read_text().partition(" ")
        except FileNotFoundError:
            return None
        return Process(int(stat.split()[0]), _parse_start_time(stat), digest)


INHERITED_VARIABLES = (
    "HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER", "COVERAGE_PROCESS_CONFIG",
)  # fmt: skip


def compute_fingerprint(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Return a digest of a command and its environment: if it differs, the program needs a restart."""
    return hashlib.sha256(json.dumps([list(argv), sorted(env.items())]).encode()).hexdigest()


def find_port_owner(port: int) -> str | None:
    """Return a description of the program that listens on a port; ``None`` if the port is free."""
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
    """Return the start time from a line of /proc/PID/stat: field 22; field 2 may contain spaces."""
    return int(stat.rpartition(")")[2].split()[19])


def _read_start_time(pid: int) -> int | None:
    """Return the start time of the process with a pid; ``None`` if there is none."""
    try:
        return _parse_start_time(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def _is_running(process: Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return _read_start_time(process.pid) == process.started and _is_alive(psutil.Process(process.pid))
    return False


def _end_session(leader: int, sign: signal.Signals) -> None:
    """Send a signal to all processes of a session; kill those that remain after the time limit.

    The leader's pid is the session's id. The kernel does not reuse it while a member of the session lives.
    """
    processes = _list_session_processes(leader)
    with suppress(ProcessLookupError):  # it has ended in the meantime
        os.killpg(leader, sign)
    for process in _wait_ended(processes):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _wait_ended(processes)
    with suppress(ChildProcessError):  # an earlier command started it: not a child of this process
        os.waitpid(leader, os.WNOHANG)


def _list_session_processes(leader: int) -> list[psutil.Process]:
    """Return the members of a session and their children (Postgres starts its children in new sessions)."""
    processes: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader:
                processes |= {process, *process.children(recursive=True)}
    return list(processes)


def _wait_ended(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Wait until the processes have ended; return those that still run after the time limit.

    ``psutil.wait_procs`` is not used, because it waits for zombies, and forever if init does not reap them.
    """
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while (
        running := [process for process in processes if _is_alive(process)]
    ) and time.monotonic() < deadline:
        time.sleep(0.02)
    return running


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
