"""Brings the parts up in the order of their needs, side by side where they can, and takes them down again."""

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .context import Context
from .part import Part
from .parts import BACKENDS, WORKSPACE, make_parts
from .processes import LocalError, PortInUse, Process, Processes, find_port_owner, fingerprint
from .startup import wait_until_healthy

__all__ = ["Platform", "State"]

POLL_SECONDS = 0.1

CLOSING_SECONDS = 5.0
"""So long a port may still look taken after its program has ended: the kernel closes sockets last."""


@dataclass(frozen=True)
class State:
    """How a part is right now."""

    part: Part
    process: Process | None
    healthy: bool


class Platform:
    """One local platform.

    Parameters
    ----------
    context
        Where it lives.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.processes = Processes(context.state)
        self.parts = {part.name: part for part in make_parts(context)}
        self._starting = threading.Lock()

    @classmethod
    def ephemeral(
        cls, state: Path, report: Callable[[str, str], None] = lambda _, __: None, *, whole: bool = False
    ) -> "Platform":
        """Return a test's platform: free ports, and nothing needs to survive a power cut."""
        return cls(Context.open(state, ephemeral=True, whole=whole, report=report))

    def prepare(self) -> None:
        """Fetch and build all that starting needs, and start nothing.

        Raises
        ------
        LocalError
            Something cannot be had; the message says what, and why.
        """
        with ThreadPoolExecutor(len(self.parts)) as pool:
            for part, prepared in [(part, pool.submit(self._prepare, part)) for part in self.parts.values()]:
                prepared.result()
                self.context.report(part.name, "prepared")

    def up(self, names: Collection[str] | None = None) -> None:
        """Bring parts up (all of them by default). What runs already, and as it should, is left alone.

        Raises
        ------
        LocalError
            A part did not come up; the message says which, why, and what to do.
        """
        wanted = [part for part in self.parts.values() if names is None or part.name in names]
        results: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(len(wanted)) as pool:
            # Parts are listed after what they need, so every future waited for has been submitted.
            for part in wanted:
                needed = [results[need] for need in part.depends_on if need in results]
                results[part.name] = pool.submit(self._bring_up, part, needed)
        errors = {str(error): error for result in results.values() if (error := result.exception())}
        if errors:
            raise LocalError("\n\n".join(errors)) from next(iter(errors.values()))

    def up_backends(self) -> None:
        """Bring up all that our own services stand on, but not the services."""
        self.up([kind.name for kind in BACKENDS])

    def down(self) -> list[str]:
        """Stop every program that was started here, dependants first; return their names. Data is kept."""
        order = list(reversed(self.parts))
        names = sorted(self.processes.names(), key=lambda name: order.index(name) if name in order else -1)
        stopped = []
        for name in names:
            self.context.report(name, "stopping")
            if self.stop(name):
                stopped.append(name)
            self.context.report(name, "stopped")
        return stopped

    def stop(self, name: str, *, kill: bool = False) -> bool:
        """Stop one part and tell whether it ran; ``kill`` gives it no chance to tidy up."""
        # A record may be left of a part that this version no longer knows, or does not run itself.
        part = self.parts.get(name)
        orderly = part.stop_signal if part else signal.SIGTERM
        return self.processes.stop(name, signal.SIGKILL if kill else orderly)

    def start(self, name: str) -> None:
        """Start one part and wait until it is healthy."""
        self._bring_up(self.parts[name], [])

    def states(self) -> list[State]:
        """Return how every part is; those of `make up-all` only if they were started and not stopped."""
        started = self.processes.names()
        shown = [part for part in self.parts.values() if part.name in started or type(part) not in WORKSPACE]
        with ThreadPoolExecutor(len(shown)) as pool:
            return list(pool.map(self._state, shown))

    def runs_whole(self) -> bool:
        """Tell whether any part of `make up-all` runs, so that the others must know of it."""
        return any(self.processes.find(kind.name) for kind in WORKSPACE)

    def _state(self, part: Part) -> State:
        process = self.processes.find(part.name) if part.managed else None
        # A port of ours that answers without our process belongs to somebody else.
        return State(part, process, healthy=part.is_healthy() if process or not part.managed else False)

    def _bring_up(self, part: Part, needed: list[Future[None]]) -> None:
        self._prepare(part)
        with _named(part):
            for future in needed:
                future.result()
            if part.managed:
                self._run(part)
            wait_until_healthy(part, self.processes)
            part.provision()
        self.context.report(part.name, "ready")

    def _prepare(self, part: Part) -> None:
        self.context.report(part.name, "preparing")
        with _named(part):
            part.prepare()

    def _run(self, part: Part) -> None:
        process = self.processes.find(part.name)
        if not process:
            part.restore()
        command = part.command()
        if process and process.fingerprint == fingerprint(command.argv, command.env):
            return
        if process:
            self.context.report(part.name, "restarting: its settings have changed")
        else:
            self.context.report(part.name, "starting")
        stopped = self.stop(part.name)
        with self._starting:
            self._require_free_ports(part, patience=CLOSING_SECONDS if stopped else 0)
            self.processes.start(part.name, command.argv, command.env)

    def _require_free_ports(self, part: Part, *, patience: float) -> None:
        deadline = time.monotonic() + patience
        for name in part.ports:
            port = self.context.ports[name]
            while (taken_by := find_port_owner(port)) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            if taken_by:
                variable = f"TENANTRY_PORT_{name.upper().replace('-', '_')}"
                raise PortInUse(
                    f"{part.name} needs port {port}, which is taken by {taken_by}. "
                    f"Stop that program, or choose another port: {variable}=... make up"
                )


@contextmanager
def _named(part: Part) -> Iterator[None]:
    """Let every failure say whose it is."""
    try:
        yield
    except LocalError:
        raise
    except Exception as exc:
        raise LocalError(f"{part.name} did not come up: {type(exc).__name__}: {exc}") from exc
