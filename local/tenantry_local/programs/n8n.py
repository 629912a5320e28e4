"""Installation of n8n from npm, pinned with digests by ``local/n8n/package-lock.json``."""

import json
from collections.abc import Callable
from pathlib import Path

from ..context import REPOSITORY
from .node import install_packages

__all__ = ["get_version", "install"]

PINS = REPOSITORY / "local" / "n8n"


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
    # Without install scripts: some download programs from outside the registry. Others compile SQLite,
    # which is not used here, so no compiler is needed.
    packages = install_packages("n8n", PINS, report, doing="downloading n8n (2,400 packages, 2.9 GB)")
    return packages / "node_modules" / "n8n" / "bin" / "n8n"
