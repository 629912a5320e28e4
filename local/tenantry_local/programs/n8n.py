"""n8n, from npm. What is installed is pinned by ``local/n8n/package-lock.json``, with digests."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from ..context import REPOSITORY
from .cache import cache_folder, ensure_installed, run_logged
from .node import find_node

__all__ = ["install", "version"]

PINS = REPOSITORY / "local" / "n8n"
FILES = ("package.json", "package-lock.json")


def version() -> str:
    """Return the version that is pinned."""
    dependencies: dict[str, str] = json.loads((PINS / "package.json").read_text())["dependencies"]
    return dependencies["n8n"]


def install(report: Callable[[str], None]) -> Path:
    """Return the program ``n8n``, installed when it is not. It is to be run by :func:`node`'s Node.js.

    Raises
    ------
    LocalError
        It cannot be installed; the message says why.
    """
    runtime = find_node()
    pins = [(PINS / name).read_bytes() for name in FILES]
    folder = cache_folder("n8n", *pins, runtime.version.encode())

    def fill(folder: Path) -> None:
        for name in FILES:
            shutil.copy(PINS / name, folder)
        env = {
            "PATH": f"{Path(runtime.program).parent}:/usr/local/bin:/usr/bin:/bin",
            "npm_config_audit": "false",
            "npm_config_fund": "false",
            "npm_config_update_notifier": "false",
        }
        # Without the packages' own scripts: some fetch programs from places that are no registry, and what
        # they would compile (SQLite) is not used here. So no compiler is needed.
        argv = [runtime.program, runtime.npm, "ci", "--ignore-scripts", "--omit=dev"]
        run_logged(
            argv, folder=folder, env=env, report=report, doing="downloading n8n (2,400 packages, 2.9 GB)"
        )

    return ensure_installed(folder, fill) / "node_modules" / "n8n" / "bin" / "n8n"
