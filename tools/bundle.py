"""Builder of a release for the pipeline: ``python -m tools.bundle``, after ``make release``.

The zip file has all that an installation needs: chart, digests of its images, commands, helm and kubectl. The
project that installs it reaches only AWS and the cluster.
"""

import argparse
import re
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from tenantry_infra.chart_values import IMAGES, build_image_values
from tenantry_local.programs import helm

from .version import REPOSITORY

__all__ = ["BundleError", "build", "main", "parse_images"]

PIPELINE = REPOSITORY / "infra" / "pipeline"
COMMANDS = ("buildspec.yaml", "deploy.sh")
REFERENCE = re.compile(
    r"(?P<name>[a-z-]+)=(?P<repository>[^@\s:]+(:\d+/[^@\s:]+)?)@(?P<digest>sha256:[0-9a-f]{64})"
)


class BundleError(Exception):
    """There is no release to bundle, or an image has no digest; the message says which."""


def main() -> int:
    """Write ``build/tenantry-<version>.zip``, print its name and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bundle", description="Bundle dist/ for the pipeline"
    )
    parser.add_argument("images", nargs="*", help="name=repository@sha256:..., for each of the four images")
    arguments = parser.parse_args()
    try:
        file = build(parse_images(arguments.images), REPOSITORY / "dist", REPOSITORY / "build")
    except BundleError as error:
        sys.stderr.write(f"No bundle: {error}\n")
        return 1
    sys.stdout.write(f"{file.relative_to(REPOSITORY)}\n")
    return 0


def parse_images(references: list[str]) -> dict[str, tuple[str, str]]:
    """Return the repository and the digest of each image.

    Raises
    ------
    BundleError
        A reference has no digest, or an image is missing.
    """
    images = {}
    for reference in references:
        found = REFERENCE.fullmatch(reference)
        if not found or found["name"] not in IMAGES:
            raise BundleError(
                f"{reference!r} is no image. Expected name=repository@sha256:..., for {', '.join(IMAGES)}."
            )
        images[found["name"]] = (found["repository"], found["digest"])
    if missing := [name for name in IMAGES if name not in images]:
        raise BundleError(f"These images have no digest: {', '.join(missing)}. A release names all four.")
    return images


def build(images: Mapping[str, tuple[str, str]], dist: Path, target: Path) -> Path:
    """Write the bundle of the chart in a folder; return its file.

    Raises
    ------
    BundleError
        The folder has not exactly one chart.
    """
    charts = list(dist.glob("tenantry-*.tgz"))
    if len(charts) != 1:
        raise BundleError(f"{dist} has {len(charts)} charts. Run `make release` first.")
    (chart,) = charts
    kubectl = shutil.which("kubectl")
    if not kubectl:
        raise BundleError("kubectl is not on the PATH. Run `make setup` first.")
    target.mkdir(parents=True, exist_ok=True)
    file = target / f"{chart.stem}.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.write(chart, chart.name)
        bundle.writestr("images.yaml", yaml.safe_dump(build_image_values(images)))
        for name in COMMANDS:
            bundle.write(PIPELINE / name, name)
        bundle.write(helm.install(_report), "bin/helm")
        bundle.write(kubectl, "bin/kubectl")
    return file


def _report(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
