"""A folder of the cache: installed once, whole or not at all."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..build import lock_folder
from ..context import CACHE
from ..processes import LocalError

__all__ = ["cache_folder", "ensure_installed", "run_logged"]

PROBLEM_LINES = 25
"""As many of a failed command's last lines are shown."""


def cache_folder(name: str, *pins: bytes) -> Path:
    """Return the cache's folder for a program: other pins, another folder."""
    return CACHE / name / hashlib.sha256(b"\0".join(pins)).hexdigest()[:16]


def ensure_installed(folder: Path, install: Callable[[Path], None]) -> Path:
    """Return ``folder`` with the program in it; ``install`` fills it if nobody has yet.

    It is not moved once it is filled, because a virtual environment names its own place. So a mark beside
    it says that it is whole: without the mark it is what an interrupted installation has left.
    """
    mark = folder.with_name(f"{folder.name}.installed")
    with lock_folder(folder):
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            install(folder)
            mark.touch()
    return folder


def run_logged(
    argv: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    report: Callable[[str], None],
    doing: str,
) -> None:
    """Run a command that takes minutes, and report the time it has taken so far.

    Raises
    ------
    LocalError
        It failed; the message ends with the last it said.
    """
    started = time.monotonic()
    log = folder / "install.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while True:
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            report(f"{doing}, once: {minutes}:{seconds:02d}")
            try:
                process.wait(1)
                break
            except subprocess.TimeoutExpired:
                continue
            except BaseException:
                process.kill()
                process.wait()
                raise
    if process.returncode:
        said = "\n".join(log.read_text(errors="replace").splitlines()[-PROBLEM_LINES:])
        raise LocalError(f"{doing} failed: {' '.join(argv[:3])} ended with {process.returncode}:\n{said}")
