"""Installation of Mermaid, which draws the diagrams of the docs: ``python -m tools.mermaid``.

``make .venv/.ready`` runs this module, so that ``make docs`` needs no network. A second run does nothing. If
the npm registry is unavailable, ``make`` continues, and ``make docs`` tries again.
"""

import base64
import hashlib
import sys
import tarfile
from pathlib import Path

from tenantry_local.processes import LocalError
from tenantry_local.programs.cache import ensure_installed, get_cache_folder, run_logged
from tenantry_local.programs.node import find_node

__all__ = ["install", "main"]

PACKAGE = "mermaid@11.17.2"
"""Npm package and version. Material for MkDocs supports this major version."""

INTEGRITY = "V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg=="
"""The package's SHA-512, as ``npm view PACKAGE dist.integrity`` prints it after ``sha512-``."""

OPTIONS = ("--loglevel=error", "--fetch-retries=1")
"""npm prints errors only, and fails within seconds if there is no network."""


def install() -> Path:
    """Return the path of Mermaid's script; download the pinned npm package if the cache lacks it.

    Raises
    ------
    LocalError
        npm failed, or the package is not the pinned one.
    """
    folder = get_cache_folder("mermaid", PACKAGE.encode(), INTEGRITY.encode())
    return ensure_installed(folder, _fill) / "mermaid.min.js"


def _fill(folder: Path) -> None:
    runtime = find_node()
    argv = [runtime.program, runtime.npm, "pack", PACKAGE, "--prefer-offline", *OPTIONS]
    run_logged(argv, folder=folder, env={}, report=lambda _: None, doing=f"fetching {PACKAGE}")
    (package,) = folder.glob("*.tgz")
    _extract(package, folder / "mermaid.min.js")
    package.unlink()


def _extract(package: Path, script: Path) -> None:
    content = package.read_bytes()
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != INTEGRITY:
        raise LocalError(f"{PACKAGE} is not the pinned package: its SHA-512 differs")
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/dist/mermaid.min.js")
        if member is None:
            raise LocalError(f"{PACKAGE} does not contain dist/mermaid.min.js")
        script.write_bytes(member.read())


def main() -> int:
    """Install Mermaid; return the exit status."""
    try:
        install()
    except LocalError as exc:
        sys.stderr.write(f"The docs cannot be built yet: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
