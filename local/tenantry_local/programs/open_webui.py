"""Installation of Open WebUI in a separate virtual environment, because it pins other versions."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from ..context import REPOSITORY
from ..processes import LocalError
from .cache import ensure_installed, get_cache_folder, run_logged
from .uv import ENVIRONMENT, find_uv

__all__ = ["get_version", "install"]

LOCK = REPOSITORY / "requirements" / "open-webui.txt"
NEWEST_PYTHON = (3, 12)
"""Newest Python that Open WebUI supports."""


def get_version() -> str:
    """Return the pinned version."""
    match = re.search(r"^open-webui(?:\[.*?\])?==(\S+)", LOCK.read_text(), re.MULTILINE)
    return match[1] if match else "unknown"


def install(report: Callable[[str], None]) -> Path:
    """Return the program ``open-webui``; install it if the cache lacks it.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """
    python = _find_python()
    folder = get_cache_folder("open-webui", LOCK.read_bytes(), python.encode())

    def fill(folder: Path) -> None:
        steps = (
            [find_uv(), "venv", "-q", "--no-config", "--python", python, "venv"],
            [
                find_uv(), "pip", "install", "-q", "--no-config", "--python", "venv/bin/python",
                "--no-deps", "--require-hashes", "-r", str(LOCK),
            ],
        )  # fmt: skip
        for argv in steps:
            run_logged(
                argv, folder=folder, env=ENVIRONMENT, report=report, doing="installing Open WebUI (0.7 GB)"
            )

    return ensure_installed(folder, fill) / "venv" / "bin" / "open-webui"


def _find_python() -> str:
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")
    for name in ("python3.12", "python3.11"):
        if path := shutil.which(name):
            return path
    raise LocalError(
        "Open WebUI needs Python 3.11 or 3.12; neither is on the PATH, and this one is "
        f"{sys.version_info[0]}.{sys.version_info[1]}. Install one of them; `make up` needs none."
    )
