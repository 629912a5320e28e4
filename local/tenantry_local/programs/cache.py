"""Installation of programs into the cache, each once and atomically."""

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

__all__ = ["ensure_installed", "get_cache_folder", "run_logged"]

PROBLEM_LINES = 25
"""Number of last output lines that the error of a failed command shows."""


def get_cache_folder(name: str, *pins: bytes) -> Path:
    """Return the cache folder of a program; its name contains a hash of the pins."""
    return CACHE / name / hashlib.sha256(b"\0".join(pins)).hexdigest()[:16]


def ensure_installed(folder: Path, install: Callable[[Path], None]) -> Path:
    """Call ``install`` for a folder without a complete installation; return the folder.

    A marker file next to the folder says that it is complete. The folder cannot be renamed into place,
    because a virtual environment contains its path. A folder without a marker is from an interrupted run.
    """
    marker = folder.with_name(f"{folder.name}.installed")
    with lock_folder(folder):
        if not marker.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            install(folder)
            marker.touch()
    return folder


def run_logged(
    argv: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    report: Callable[[str], None],
    doing: str,
) -> None:
    """Run a command that takes minutes; report the elapsed time.

    Raises
    ------
    LocalError
        The command failed; the message ends with its last output.
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
            report(f"{doing} (once per machine): {minutes}:{seconds:02d}")
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
        output_tail = "\n".join(log.read_text(errors="replace").splitlines()[-PROBLEM_LINES:])
        raise LocalError(
            f"{doing} failed: {' '.join(argv[:3])} ended with {process.returncode}:\n{output_tail}"
        )
