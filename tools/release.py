"""Builds and checks what a release consists of, into ``dist/``: ``python -m tools.release``.

Everything is made from a copy of the commit, with its version written into it. Nothing is fetched: packages
come from uv's cache, which ``make`` fills.
"""

import hashlib
import re
import shutil
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from tenantry_local.processes import LocalError
from tenantry_local.programs import helm
from tenantry_local.programs.uv import uv

from .release_checks import ReleaseError, check, run, unpack
from .version import REPOSITORY, stamp, version_of, versioned_files

__all__ = ["build", "checksums", "copy", "export", "main", "notes", "pack_context"]

DIST = REPOSITORY / "dist"

SOURCES = ("Dockerfile", ".dockerignore", "operator", "services", "requirements", "charts", "crds", "local")
"""What a release is made of. The chart links to files of ``local``."""

CACHES = shutil.ignore_patterns("__pycache__", "*.egg-info")


def main() -> int:
    """Write ``dist/`` and print what is in it; return the exit code."""
    version = version_of(REPOSITORY)
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    try:
        if "-" not in version:
            text = notes((REPOSITORY / "CHANGELOG.md").read_text(), version)
            (DIST / "NOTES.md").write_text(text)
        with TemporaryDirectory(prefix="release-") as name:
            source = export(REPOSITORY, Path(name) / "source")
            stamp(versioned_files(source), version)
            build(source, DIST, version)
            check(source, DIST, version)
    except (LocalError, ReleaseError) as error:
        sys.stderr.write(f"No release: {error}\n")
        return 1
    (DIST / "SHA256SUMS").write_text(checksums(DIST))
    sys.stdout.write(f"Tenantry {version}\n" + (DIST / "SHA256SUMS").read_text())
    return 0


def export(repository: Path, folder: Path) -> Path:
    """Copy what is committed of :data:`SOURCES`, or all of it where there is no git; return the folder."""
    if not (repository / ".git").exists():
        return copy(repository, folder)
    archive = folder.with_suffix(".tar")
    run("git", "-C", str(repository), "archive", "-o", str(archive), "HEAD", *SOURCES)
    return unpack(archive, folder)


def copy(repository: Path, folder: Path) -> Path:
    """Copy :data:`SOURCES` as they are; return the folder."""
    folder.mkdir()
    for name in SOURCES:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=CACHES)
        else:
            shutil.copy(source, folder / name)
    return folder


def build(source: Path, target: Path, version: str) -> None:
    """Write the images' context, the wheels and the packaged chart to a folder."""
    archive = target / f"tenantry-images-{version}.tar.gz"
    pack_context(source, archive)
    with TemporaryDirectory(prefix="context-") as name:
        # From what docker gets: a file that the context lacks is then missing here, too.
        context = unpack(archive, Path(name))
        for project in [context / "operator", *sorted((context / "services").iterdir())]:
            run(
                uv(), "build", "-q", "--wheel", "--offline", "--no-build-isolation",
                "--python", sys.executable, "-o", str(target), str(project),
            )  # fmt: skip
    (target / ".gitignore").unlink(missing_ok=True)  # uv's own
    run(str(helm.install(_report)), "package", str(source / "charts" / "tenantry"), "-d", str(target))


def pack_context(source: Path, archive: Path) -> None:
    """Pack what ``docker build`` would send: the Dockerfile, and what .dockerignore lets through."""
    let_through = re.findall(r"^!(\S+)$", (source / ".dockerignore").read_text(), re.MULTILINE)
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("Dockerfile", ".dockerignore", *let_through):
            tar.add(source / name, name, filter=_anonymous)


def notes(changelog: str, version: str) -> str:
    """Return what the changelog says about a version.

    Raises
    ------
    ReleaseError
        It says nothing.
    """
    found = re.search(rf"^## {re.escape(version)} .*?\n(.+?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found:
        raise ReleaseError(
            f"CHANGELOG.md has no section for {version}. Run `make changelog VERSION={version}`, commit the"
            " result, and move the tag to that commit."
        )
    return found[1].strip() + "\n"


def checksums(folder: Path) -> str:
    """Return a line for each file, as ``sha256sum --check`` reads it."""
    files = sorted(file for file in folder.iterdir() if file.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out who built it, and what Python compiled."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return None if "__pycache__" in member.name else member


def _report(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
