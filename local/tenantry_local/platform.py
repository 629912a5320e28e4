"""Start and stop of the parts, concurrently and in the order of their dependencies."""

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .context import Context, get_port_variable
from .part import PlatformPart
from .parts import BACKENDS, OPTIONAL_PARTS, make_parts
from .processes import LocalError, PortInUse, Process, Processes, compute_fingerprint, find_port_owner
from .startup import wait_until_healthy
from .startup_records import StartupRecords

__all__ = ["PartState", "PartStatus", "Platform"]

POLL_INTERVAL_SECONDS = 0.1

PORT_RELEASE_TIMEOUT_SECONDS = 5.0
"""Time in which the kernel releases the ports of a program that has ended."""

HEALTH_ATTEMPTS = 3
"""Failed health checks after which a running part counts as not answering, because one can time out."""


class PartState(StrEnum):
    """States of a part."""

    BUILDING = "building"
    """A command downloads, builds or configures its program."""
    STARTING = "starting"
    """A command starts it, waits for the parts that it depends on, or provisions it."""
    UP = "up"
    """It answers its health check."""
    NOT_ANSWERING = "not answering"
    """It runs but does not answer its health check."""
    EXITED = "exited"
    """It ended although no command has stopped it."""
    STOPPED = "stopped"
    """It does not run."""


@dataclass(frozen=True)
class PartStatus:
    """A part and its current state."""

    part: PlatformPart
    process: Process | None
    state: PartState

    @property
    def healthy(self) -> bool:
        """Return True if the part is up."""
        return self.state is PartState.UP


class Platform:
    """One local platform.

    Parameters
    ----------
    context
        Configuration of the platform.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.processes = Processes(context.state)
        self.parts = {part.name: part for part in make_parts(context)}
        self._startups = StartupRecords(context.state)
        self._start_lock = threading.Lock()

    @classmethod
    def open_ephemeral(
        cls, state: Path, report: Callable[[str, str], None] = lambda _, __: None, *, all_parts: bool = False
    ) -> "Platform":
        """Return a test platform: with free ports, and with data that need not survive a power cut."""
        return cls(Context.open(state, ephemeral=True, all_parts=all_parts, report=report))

    def prepare(self) -> None:
        """Download and build everything that the parts need to start. Start nothing.

        Raises
        ------
        LocalError
            A download or build failed; the message says which one, and why.
        """
        with _open_thread_pool(len(self.parts)) as pool:
            for part, prepared in [(part, pool.submit(self._prepare, part)) for part in self.parts.values()]:
                prepared.result()
                self.context.report(part.name, "prepared")

    def start_parts(self, names: Collection[str] | None = None) -> None:
        """Bring parts up, by default all. A part that runs with the same settings is not restarted.

        Raises
        ------
        LocalError
            A part did not come up; the message says which one, why, and what to do.
        """
        wanted = [part for part in self.parts.values() if names is None or part.name in names]
        results: dict[str, Future[None]] = {}
        with _open_thread_pool(len(wanted)) as pool:
            # Parts are listed after those they depend on, so every future that is waited for exists.
            for part in wanted:
                dependencies = [results[name] for name in part.depends_on if name in results]
                results[part.name] = pool.submit(self._bring_up, part, dependencies)
            wait(results.values())
        errors = {str(error): error for result in results.values() if (error := result.exception())}
        if errors:
            raise LocalError("\n\n".join(errors)) from next(iter(errors.values()))

    def start_backends(self) -> None:
        """Bring up all parts that Tenantry's services depend on, without the services."""
        self.start_parts([kind.name for kind in BACKENDS])

    def stop_all(self) -> list[str]:
        """Stop every program that was started here, dependants first; return their names. Data is kept."""
        order = list(reversed(self.parts))
        names = sorted(
            self.processes.list_names(), key=lambda name: order.index(name) if name in order else -1
        )
        stopped = []
        for name in names:
            self.context.report(name, "stopping")
            if self.stop(name):
                stopped.append(name)
            self.context.report(name, "stopped")
        return stopped

    def stop(self, name: str, *, kill: bool = False) -> bool:
        """Stop one part; return True if it was running. ``kill`` skips the orderly shutdown."""
        # A record can name a part that this version does not have, or that is external now.
        part = self.parts.get(name)
        orderly = part.stop_signal if part else signal.SIGTERM
        return self.processes.stop(name, signal.SIGKILL if kill else orderly)

    def start(self, name: str) -> None:
        """Start one part and wait until it is healthy."""
        self._bring_up(self.parts[name], [])

    def get_statuses(self) -> list[PartStatus]:
        """Return the status of every part, of optional parts only if they were started and not stopped."""
        started = self.processes.list_names()
        shown = [
            part
            for part in self.parts.values()
            if type(part) not in OPTIONAL_PARTS or part.name in started or self._startups.read(part.name)
        ]
        with ThreadPoolExecutor(len(shown)) as pool:
            return list(pool.map(self._get_status, shown))

    def require_up(self, *names: str) -> None:
        """Require that parts are up.

        Raises
        ------
        LocalError
            A part is not up; the message has its state and the command that starts it.
        """
        statuses = [self._get_status(self.parts[name]) for name in names if name in self.parts]
        missing = [f"{status.part.name} is {status.state}" for status in statuses if not status.healthy]
        if missing:
            raise LocalError(f"The platform is not up: {', '.join(missing)}. Start it with `make up`.")

    def is_starting(self, name: str) -> bool:
        """Return True if a part is being built or started."""
        return self._startups.read(name) is not None

    def is_optional_part_running(self) -> bool:
        """Return True if any of Open WebUI, n8n and file-sync runs."""
        return any(self.processes.find(kind.name) for kind in OPTIONAL_PARTS)

    def _get_status(self, part: PlatformPart) -> PartStatus:
        if not part.managed:
            state = PartState.UP if _is_answering(part) else PartState.NOT_ANSWERING
            return PartStatus(part, None, state)
        process = self.processes.find(part.name)
        return PartStatus(part, process, self._get_state(part, process))

    def _get_state(self, part: PlatformPart, process: Process | None) -> PartState:
        if phase := self._startups.read(part.name):
            return PartState(phase)
        # If the part has no process, another program answers on its port.
        if process is None:
            return PartState.EXITED if part.name in self.processes.list_names() else PartState.STOPPED
        return PartState.UP if _is_answering(part) else PartState.NOT_ANSWERING

    def _bring_up(self, part: PlatformPart, dependencies: list[Future[None]]) -> None:
        with self._startups.record(part.name) as enter:
            enter(PartState.BUILDING)
            self._prepare(part)
            enter(PartState.STARTING)
            with _add_part_to_errors(part):
                for dependency in dependencies:
                    dependency.result()
                if part.managed:
                    self._run(part)
                wait_until_healthy(part, self.processes)
                part.provision()
        self.context.report(part.name, "ready")

    def _prepare(self, part: PlatformPart) -> None:
        self.context.report(part.name, "preparing")
        with _add_part_to_errors(part):
            part.prepare()

    def _run(self, part: PlatformPart) -> None:
        process = self.processes.find(part.name)
        if not process:
            part.restore()
        command = part.build_command()
        if process and process.fingerprint == compute_fingerprint(command.argv, command.env):
            return
        if process:
            self.context.report(part.name, "restarting: its settings have changed")
        else:
            self.context.report(part.name, "starting")
        stopped = self.stop(part.name)
        with self._start_lock:
            self._require_free_ports(part, timeout=PORT_RELEASE_TIMEOUT_SECONDS if stopped else 0)
            self.processes.start(part.name, command.argv, command.env)

    def _require_free_ports(self, part: PlatformPart, *, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        for name in part.ports:
            port = self.context.ports[name]
            while (owner := find_port_owner(port)) and time.monotonic() < deadline:
                time.sleep(POLL_INTERVAL_SECONDS)
            if owner:
                raise PortInUse(
                    f"{part.name} needs port {port}, which is in use by {owner}. "
                    f"Stop that program, or choose another port: {get_port_variable(name)}=... make up"
                )


def _is_answering(part: PlatformPart) -> bool:
    return any(part.is_healthy() for _ in range(HEALTH_ATTEMPTS))


@contextmanager
def _open_thread_pool(size: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a thread pool; wait for its threads at the end, unless Ctrl-C ends the block."""
    pool = ThreadPoolExecutor(size)
    interrupted = False
    try:
        yield pool
    except KeyboardInterrupt:
        interrupted = True
        raise
    finally:
        pool.shutdown(wait=not interrupted, cancel_futures=interrupted)


@contextmanager
def _add_part_to_errors(part: PlatformPart) -> Iterator[None]:
    """Convert each exception to a :exc:`LocalError` that names the part."""
    try:
        yield
    except LocalError:
        raise
    except Exception as exc:
        raise LocalError(f"{part.name} did not come up: {type(exc).__name__}: {exc}") from exc
