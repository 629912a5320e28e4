"""Version of the packages, images, chart and CRD, from the git tag: ``python -m tools.version``.

Files in git have :data:`PLACEHOLDER` as their version, so they cannot contradict the tag. ``make release``
writes the version into a copy.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["PLACEHOLDER", "REPOSITORY", "get_version", "list_versioned_files", "stamp"]

REPOSITORY = Path(__file__).parents[1]

PLACEHOLDER = "0.0.0-dev"
"""Version in the tree. Like all versions of :func:`get_version`, it is valid by semver and by PEP 440."""

VERSIONED_FILES = (
    "operator/pyproject.toml",
    "services/*/pyproject.toml",
    "charts/tenantry/**/Chart.yaml",
    "crds/tenants.tenantry.io.yaml",
)


def get_version(folder: Path) -> str:
    """Return the version of a checkout's commit.

    ``X.Y.Z`` at the tag ``vX.Y.Z``; ``X.Y.(Z+1)-dev.N`` after N more commits. Without a tag, it is the
    placeholder and the number of commits; without git, the placeholder.
    """
    if not (folder / ".git").exists():
        return PLACEHOLDER
    described = _run_git(
        folder, "describe", "--tags", "--long", "--always", "--match=v[0-9]*", "--exclude=*-*"
    )
    tagged = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)-(\d+)-g[0-9a-f]+", described)
    if not tagged:
        return f"{PLACEHOLDER}.{_run_git(folder, 'rev-list', '--count', 'HEAD')}"
    major, minor, patch, commits = map(int, tagged.groups())
    return f"{major}.{minor}.{patch + 1}-dev.{commits}" if commits else f"{major}.{minor}.{patch}"


def list_versioned_files(folder: Path) -> list[Path]:
    """Return the released files of a tree that state its version."""
    return sorted(file for pattern in VERSIONED_FILES for file in folder.glob(pattern))


def stamp(files: Iterable[Path], version: str) -> None:
    """Replace the placeholder in files by a version."""
    for file in files:
        file.write_text(file.read_text().replace(PLACEHOLDER, version))


def _run_git(folder: Path, *arguments: str) -> str:
    argv = ["git", *arguments]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.stdout.write(f"{get_version(REPOSITORY)}\n")
