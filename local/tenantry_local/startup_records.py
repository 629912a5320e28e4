"""Records of the parts that a command brings up, which ``tenantry status`` reads in another process."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["StartupRecords"]


class StartupRecords:
    """Phases of the parts that a running command brings up.

    A record is a file that the command locks. The kernel releases the lock when the command ends in any way,
    so no record outlives its command.

    Parameters
    ----------
    state
        Folder of the platform; records are in ``run/``.
    """

    def __init__(self, state: Path) -> None:
        self._folder = state / "run"

    @contextmanager
    def record(self, name: str) -> Iterator[Callable[[str], None]]:
        """Yield a function that records the phase of a part until the end of the block."""
        with self._get_path(name).open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another command brings the part up and records it
                yield lambda _: None
                return

            def write(phase: str) -> None:
                file.truncate(0)
                file.write(phase)
                file.flush()

            yield write

    def read(self, name: str) -> str | None:
        """Return the recorded phase of a part; ``None`` if no running command brings it up."""
        try:
            with self._get_path(name).open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return file.read() or None
        except FileNotFoundError:
            pass
        return None

    def _get_path(self, name: str) -> Path:
        return self._folder / f"{name}.startup"
