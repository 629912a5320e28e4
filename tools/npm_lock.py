"""Generator of the committed npm locks, with digests and without URLs: ``python -m tools.npm_lock``."""

import json
import subprocess
import tempfile
from pathlib import Path

from tenantry_local.programs import n8n
from tenantry_local.programs.node import find_node

from . import iam_simulator

__all__ = ["main", "remove_urls"]

FOLDERS = (n8n.PINS, iam_simulator.PINS)


def remove_urls(lock: str) -> str:
    """Remove the URLs of packages and of funding pages from a lock file."""
    content = json.loads(lock)
    for package in content["packages"].values():
        package.pop("resolved", None)
        package.pop("funding", None)
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the lock file of each folder."""
    for pins in FOLDERS:
        _lock(pins)


def _lock(pins: Path) -> None:
    """Resolve the packages in a temporary folder, without regard to the present lock file."""
    runtime = find_node()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text((pins / "package.json").read_text())
        argv = [
            runtime.program,
            runtime.npm,
            "install",
            "--package-lock-only",
            "--ignore-scripts",
            "--omit=dev",
        ]
        subprocess.run(argv, cwd=folder, check=True)
        (pins / "package-lock.json").write_text(remove_urls((folder / "package-lock.json").read_text()))


if __name__ == "__main__":
    main()
