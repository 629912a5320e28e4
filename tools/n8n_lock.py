"""Writes local/n8n/package-lock.json anew: ``python -m tools.n8n_lock``. Digests, but no addresses."""

import json
import subprocess
import tempfile
from pathlib import Path

from tenantry_local.programs.n8n import PINS
from tenantry_local.programs.node import find_node

__all__ = ["main", "without_addresses"]


def without_addresses(lock: str) -> str:
    """Leave out of a lock where each package came from, and where its authors take money."""
    content = json.loads(lock)
    for package in content["packages"].values():
        package.pop("resolved", None)
        package.pop("funding", None)
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Resolve in a folder of its own, so that what is locked now has no say."""
    runtime = find_node()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text((PINS / "package.json").read_text())
        argv = [
            runtime.program,
            runtime.npm,
            "install",
            "--package-lock-only",
            "--ignore-scripts",
            "--omit=dev",
        ]
        subprocess.run(argv, cwd=folder, check=True)
        (PINS / "package-lock.json").write_text(without_addresses((folder / "package-lock.json").read_text()))


if __name__ == "__main__":
    main()
