"""checkov, a linter of CloudFormation templates. It pins other versions, so it has a separate environment."""

import sys
from collections.abc import Callable
from pathlib import Path

from tenantry_local.context import REPOSITORY
from tenantry_local.programs.cache import ensure_installed, get_cache_folder, run_logged
from tenantry_local.programs.uv import ENVIRONMENT, find_uv

__all__ = ["install"]

LOCK = REPOSITORY / "requirements" / "checkov.txt"


def install(report: Callable[[str], None]) -> Path:
    """Return the program; install it if the cache lacks it.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """
    python = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")

    def fill(folder: Path) -> None:
        steps = (
            [find_uv(), "venv", "-q", "--no-config", "--python", python, "venv"],
            [
                find_uv(), "pip", "install", "-q", "--no-config", "--python", "venv/bin/python",
                "--no-deps", "--require-hashes", "-r", str(LOCK),
            ],
        )  # fmt: skip
        for argv in steps:
            run_logged(argv, folder=folder, env=ENVIRONMENT, report=report, doing="installing checkov")

    folder = get_cache_folder("checkov", LOCK.read_bytes(), python.encode())
    return ensure_installed(folder, fill) / "venv" / "bin" / "checkov"
