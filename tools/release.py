"""Builder of the files of a release, in ``dist/``: ``python -m tools.release``.

``--registry`` and ``--source-url`` name the repository that publishes the release. All files are built from a
copy of the commit, into which the version is written. Nothing is downloaded: packages come from uv's cache,
which ``make`` fills.
"""

import argparse
import hashlib
import re
import shutil
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from tenantry_local.processes import LocalError
from tenantry_local.programs import helm
from tenantry_local.programs.uv import find_uv

from .chart_metadata import Publisher, set_image_registry, set_links, write_metadata
from .release_checks import ReleaseError, check, list_images, run, unpack
from .version import REPOSITORY, get_version, list_versioned_files, stamp

__all__ = [
    "build",
    "complete_chart",
    "copy_sources",
    "export_sources",
    "get_checksums",
    "get_notes",
    "main",
    "pack_context",
]

DIST = REPOSITORY / "dist"

SOURCES = (
    "Dockerfile",
    ".dockerignore",
    "operator",
    "services",
    "requirements",
    "charts",
    "crds",
    "local",
    "CHANGELOG.md",
)
"""Inputs of a release. The chart links to files of ``local``."""

IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")


def main() -> int:
    """Write and check ``dist/``, and print its checksums; return the exit code."""
    publisher = _parse_arguments()
    version = get_version(REPOSITORY)
    notes = ""
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    try:
        with TemporaryDirectory(prefix="release-") as name:
            source = export_sources(REPOSITORY, Path(name) / "source")
            if "-" not in version:
                notes = get_notes((source / "CHANGELOG.md").read_text(), version)
                (DIST / "NOTES.md").write_text(notes)
            stamp(list_versioned_files(source), version)
            complete_chart(source / "charts" / "tenantry", publisher, version, notes)
            build(source, DIST, version)
            check(source, DIST, version, publisher)
    except (LocalError, ReleaseError) as error:
        sys.stderr.write(f"No release: {error}\n")
        return 1
    (DIST / "SHA256SUMS").write_text(get_checksums(DIST))
    sys.stdout.write(f"Tenantry {version}\n" + (DIST / "SHA256SUMS").read_text())
    return 0


def complete_chart(chart: Path, publisher: Publisher, version: str, notes: str) -> None:
    """Write into a copy of the chart what depends on the version and on the publisher."""
    set_image_registry(chart, publisher)
    set_links(chart, publisher, version)
    write_metadata(chart, publisher, version=version, images=list_images(chart), notes=notes)


def export_sources(repository: Path, folder: Path) -> Path:
    """Copy :data:`SOURCES` from the last commit (without git: from the working tree); return the folder."""
    if not (repository / ".git").exists():
        return copy_sources(repository, folder)
    archive = folder.with_suffix(".tar")
    run("git", "-C", str(repository), "archive", "-o", str(archive), "HEAD", *SOURCES)
    return unpack(archive, folder)


def copy_sources(repository: Path, folder: Path) -> Path:
    """Copy :data:`SOURCES` from the working tree; return the folder."""
    folder.mkdir()
    for name in SOURCES:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=IGNORED)
        else:
            shutil.copy(source, folder / name)
    return folder


def build(source: Path, target: Path, version: str) -> None:
    """Write the images' context, the wheels and the packaged chart to a folder."""
    archive = target / f"tenantry-images-{version}.tar.gz"
    pack_context(source, archive)
    with TemporaryDirectory(prefix="context-") as name:
        # Build from the context like the Dockerfile, so that a missing file fails the build here as well.
        context = unpack(archive, Path(name))
        for project in [context / "operator", *sorted((context / "services").iterdir())]:
            run(
                find_uv(), "build", "-q", "--wheel", "--offline", "--no-build-isolation",
                "--python", sys.executable, "-o", str(target), str(project),
            )  # fmt: skip
    (target / ".gitignore").unlink(missing_ok=True)  # uv writes it
    run(str(helm.install(_report)), "package", str(source / "charts" / "tenantry"), "-d", str(target))


def pack_context(source: Path, archive: Path) -> None:
    """Pack the context of ``docker build``: the Dockerfile, and the files that .dockerignore includes."""
    included = re.findall(r"^!(\S+)$", (source / ".dockerignore").read_text(), re.MULTILINE)
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("Dockerfile", ".dockerignore", *included):
            tar.add(source / name, name, filter=_remove_owner)


def get_notes(changelog: str, version: str) -> str:
    """Return the changelog's section for a version.

    Raises
    ------
    ReleaseError
        The changelog has no section for the version.
    """
    section = re.search(
        rf"^## {re.escape(version)} .*?\n(.+?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if not section:
        raise ReleaseError(
            f"CHANGELOG.md has no section for {version}. Run `make changelog VERSION={version}`, commit the"
            " result, and move the tag to that commit."
        )
    return section[1].strip() + "\n"


def get_checksums(folder: Path) -> str:
    """Return a line for each file, as ``sha256sum --check`` reads it."""
    files = sorted(file for file in folder.iterdir() if file.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def _remove_owner(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Set an archive member's owner to root; return ``None`` to leave out a compiled Python file."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return None if "__pycache__" in member.name else member


def _parse_arguments() -> Publisher:
    parser = argparse.ArgumentParser(prog="python -m tools.release", description="Build and check dist/")
    parser.add_argument("--registry", default="", help="prefix of the images: ghcr.io/example/tenantry")
    parser.add_argument("--source-url", default="", help="URL of the repository that publishes the release")
    arguments = parser.parse_args()
    if arguments.registry != arguments.registry.lower():
        parser.error(f"--registry: a registry accepts only lower-case letters: {arguments.registry.lower()}")
    return Publisher(arguments.registry.rstrip("/"), arguments.source_url.rstrip("/"))


def _report(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
