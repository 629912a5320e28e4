"""Installation of n8n from npm, pinned with digests by ``local/n8n/package-lock.json``."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from ..context import REPOSITORY
from .cache import ensure_installed, get_cache_folder, run_logged
from .node import find_node

__all__ = ["get_version", "install"]

PINS = REPOSITORY / "local" / "n8n"
FILES = ("package.json", "package-lock.json")


def get_version() -> str:
    """Return the pinned version."""
    dependencies: dict[str, str] = json.loads((PINS / "package.json").read_text())["dependencies"]
    return dependencies["n8n"]


def install(report: Callable[[str], None]) -> Path:
    """Return the script ``n8n``, which :func:`find_node`'s Node.js runs; install it if the cache lacks it.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """
    runtime = find_node()
    pins = [(PINS / name).read_bytes() for name in FILES]
    folder = get_cache_folder("n8n", *pins, runtime.version.encode())

    def fill(folder: Path) -> None:
        for name in FILES:
            shutil.copy(PINS / name, folder)
        env = {
            "PATH": f"{Path(runtime.program).parent}:/usr/local/bin:/usr/bin:/bin",
            "npm_config_audit": "false",
            "npm_config_fund": "false",
            "npm_config_update_notifier": "false",
        }
        # Without install scripts: some download programs from outside the registry. Others compile SQLite,
        # which is not used here, so no compiler is needed.
        argv = [runtime.program, runtime.npm, "ci", "--ignore-scripts", "--omit=dev"]
        run_logged(
            argv, folder=folder, env=env, report=report, doing="downloading n8n (2,400 packages, 2.9 GB)"
        )

    return ensure_installed(folder, fill) / "node_modules" / "n8n" / "bin" / "n8n"
