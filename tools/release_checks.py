"""Checks of the files that :mod:`tools.release` builds. They need no network."""

import re
import subprocess
import sys
import tarfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from tenantry_local.programs import helm
from tenantry_local.programs.uv import find_uv

from .chart_metadata import Publisher

__all__ = [
    "ImageSpec",
    "ReleaseError",
    "check",
    "check_chart",
    "check_images",
    "list_images",
    "parse_dockerfile",
    "run",
    "unpack",
]

PROFILE = "values-eks-prod.yaml"

COMPLETE_PROFILE = "values-kind.yaml"
"""Profile that installs every part."""

PACKAGES_STAGES = (
    r"^FROM tools AS (\S+)-dependencies\nCOPY (requirements/\S+) .*\n"
    r"RUN .*\n\nFROM wheels AS \1-packages\nRUN .* --no-deps --target /packages (.+)$"
)

IMPORT_ALL = """
import importlib.util
from importlib.metadata import packages_distributions, version
packages = {p: d[0] for p, d in packages_distributions().items() if d[0].startswith("tenantry-")}
for package, distribution in packages.items():
    assert "site-packages" in (importlib.import_module(package).__file__ or ""), package
    if importlib.util.find_spec(f"{package}.__main__"):
        importlib.import_module(f"{package}.__main__")
    print(distribution, version(distribution))
"""
"""Program that imports Tenantry's packages and their ``__main__``, and prints their versions."""


class ReleaseError(Exception):
    """A file cannot be released; the message gives the reason."""


@dataclass(frozen=True)
class ImageSpec:
    """Packages that the Dockerfile installs into one image.

    Parameters
    ----------
    name
        Target of the Dockerfile.
    lock
        File of pinned packages.
    wheels
        Patterns of the names of Tenantry's wheels.
    """

    name: str
    lock: str
    wheels: tuple[str, ...]


def check(source: Path, dist: Path, version: str, publisher: Publisher) -> None:
    """Check the files of a release, which were built from the tree ``source``.

    Raises
    ------
    ReleaseError
        A check failed.
    """
    with TemporaryDirectory(prefix="check-") as name:
        context = unpack(dist / f"tenantry-images-{version}.tar.gz", Path(name) / "context")
        check_images(context, dist, Path(name), version)
        chart = unpack(dist / f"tenantry-{version}.tgz", Path(name) / "chart") / "tenantry"
        targets = {image.name for image in parse_dockerfile((context / "Dockerfile").read_text())}
        check_chart(chart, source / "crds", version, {f"{publisher.prefix}/{name}" for name in targets})


def parse_dockerfile(dockerfile: str) -> Iterator[ImageSpec]:
    """Yield the packages of each image."""
    for name, lock, wheels in re.findall(PACKAGES_STAGES, dockerfile, re.MULTILINE):
        yield ImageSpec(name, lock, tuple(Path(wheel).name for wheel in wheels.split()))


def check_images(context: Path, dist: Path, scratch: Path, version: str) -> None:
    """Install each image's packages offline into one environment, check them and import its programs.

    Raises
    ------
    ReleaseError
        The context lacks a file, or a program cannot be imported or has another version.
    """
    dockerfile = (context / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        for name in line.split():
            if not (context / name).exists():
                raise ReleaseError(f"The Dockerfile copies {name}, which .dockerignore excludes")
    for image in parse_dockerfile(dockerfile):
        environment = scratch / image.name
        run(find_uv(), "venv", "-q", "--offline", "--python", sys.executable, str(environment))
        install = [find_uv(), "pip", "install", "-q", "--offline", "--python", str(environment)]
        run(*install, "--require-hashes", "-r", str(context / image.lock))
        wheels = [str(wheel) for pattern in image.wheels for wheel in dist.glob(pattern)]
        run(*install, "--no-deps", *wheels)
        run(find_uv(), "pip", "check", "-q", "--python", str(environment))
        printed = run(str(environment / "bin" / "python"), "-I", "-c", IMPORT_ALL).split()
        names, versions = printed[::2], printed[1::2]
        if len(names) != len(image.wheels):
            raise ReleaseError(f"The image {image.name} has {names}, and the Dockerfile names {image.wheels}")
        if set(versions) != {version}:
            raise ReleaseError(
                f"The packages in {image.name} have the versions {versions}, and the release is {version}"
            )


def check_chart(chart: Path, crds: Path, version: str, repositories: Collection[str]) -> None:
    """Check a packaged chart: versions, CRD and images, and that helm lints and renders it.

    Parameters
    ----------
    chart
        Folder of the unpacked chart.
    crds
        Folder of the CRDs in the tree.
    version
        Version of the release.
    repositories
        Repositories to which the release pushes its images.

    Raises
    ------
    ReleaseError
        A version in the chart differs, its CRD is not the one in the tree, or its images are not those of
        the release.
    """
    for file in chart.rglob("Chart.yaml"):
        metadata = yaml.safe_load(file.read_text())
        for entry in (metadata, *metadata.get("dependencies", [])):
            if entry["version"] != version:
                raise ReleaseError(
                    f"{entry['name']} in {file.relative_to(chart)} has the version {entry['version']}"
                )
    packed = {file.name: file.read_bytes() for file in (chart / "files" / "crds").iterdir()}
    if packed != {file.name: file.read_bytes() for file in crds.iterdir()}:
        raise ReleaseError("The chart's files/crds differ from crds/")
    for profile in sorted(chart.glob("values-*.yaml")):
        run(str(helm.install(lambda _: None)), "lint", "--strict", str(chart), "-f", str(profile))
    _check_images_of_chart(list_images(chart), version, repositories)
    _check_crd_of_chart(_render(chart, PROFILE), version)


def list_images(chart: Path) -> list[str]:
    """Return the references of all images that a chart can run."""
    # An image follows a key or the dash of a list.
    return sorted(set(re.findall(r"^[ -]*image: (\S+)$", _render(chart, COMPLETE_PROFILE), re.MULTILINE)))


def _check_images_of_chart(images: Sequence[str], version: str, repositories: Collection[str]) -> None:
    """Check that the chart runs each image of the release, with the release's version."""
    expected = {f"{repository}:{version}" for repository in repositories}
    prefixes = {repository.rpartition("/")[0] for repository in repositories}
    own = {image for image in images if image.rpartition("/")[0] in prefixes}
    if own != expected:
        raise ReleaseError(
            f"The chart runs {', '.join(sorted(own)) or 'no image of Tenantry'}, and the release has "
            f"{', '.join(sorted(expected))}"
        )


def _check_crd_of_chart(rendered: str, version: str) -> None:
    definitions = [
        item for item in yaml.safe_load_all(rendered) if item and item["kind"] == "CustomResourceDefinition"
    ]
    labels = [item["metadata"]["labels"]["app.kubernetes.io/version"] for item in definitions]
    if labels != [version]:
        raise ReleaseError(f"The Tenant resource that the chart installs has the versions {labels}")


def _render(chart: Path, profile: str) -> str:
    return run(str(helm.install(lambda _: None)), "template", "demo", str(chart), "-f", str(chart / profile))


def run(*argv: str) -> str:
    """Run a program and return its output.

    Raises
    ------
    ReleaseError
        The program failed; the message contains its output.
    """
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(argv[:4])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def unpack(archive: Path, folder: Path) -> Path:
    """Extract an archive; return the folder."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder
