"""Installation of a Python program with other pins into a separate environment."""

import sys
from collections.abc import Callable
from pathlib import Path

from tenantry_local.context import REPOSITORY
from tenantry_local.programs.cache import ensure_installed, get_cache_folder, run_logged
from tenantry_local.programs.uv import ENVIRONMENT, find_uv

__all__ = ["install_program"]


def install_program(lock: str, program: str, report: Callable[[str], None]) -> Path:
    """Return a program; install its packages if the cache lacks them.

    Parameters
    ----------
    lock
        Name of the file in ``requirements`` with the packages.
    program
        Name of the program.
    report
        Receives progress.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """
    file = REPOSITORY / "requirements" / f"{lock}.txt"
    python = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")

    def fill(folder: Path) -> None:
        steps = (
            [find_uv(), "venv", "-q", "--no-config", "--python", python, "venv"],
            [
                find_uv(), "pip", "install", "-q", "--no-config", "--python", "venv/bin/python",
                "--no-deps", "--require-hashes", "-r", str(file),
            ],
        )  # fmt: skip
        for argv in steps:
            run_logged(argv, folder=folder, env=ENVIRONMENT, report=report, doing=f"installing {program}")

    folder = get_cache_folder(lock, file.read_bytes(), python.encode())
    return ensure_installed(folder, fill) / "venv" / "bin" / program
