"""Metadata of the published chart, which depends on the version and on the repository that publishes it.

:mod:`tools.release` writes it into a copy of the chart. The tree names no registry and no repository, so
a fork publishes under its own name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Publisher", "list_changes", "set_image_registry", "set_links", "write_metadata"]

PLACEHOLDER = "tenantry"
"""Prefix of Tenantry's images in the tree."""

Metadata = dict[str, Any]


@dataclass(frozen=True)
class Publisher:
    """The repository that publishes a release.

    Parameters
    ----------
    registry
        Prefix of its images: ``ghcr.io/example/tenantry``. Empty: the images keep the prefix of the tree.
    source_url
        URL of the repository, without a trailing slash. Empty: the chart names no repository.
    """

    registry: str = ""
    source_url: str = ""

    @property
    def prefix(self) -> str:
        """Prefix of Tenantry's images in the published chart."""
        return self.registry or PLACEHOLDER


def set_image_registry(chart: Path, publisher: Publisher) -> None:
    """Replace the prefix of Tenantry's images in a chart's default values by the publisher's."""
    if publisher.registry:
        file = chart / "values.yaml"
        pattern = rf"^(\s*repository: ){PLACEHOLDER}/(?=\S+$)"
        file.write_text(re.sub(pattern, rf"\g<1>{publisher.registry}/", file.read_text(), flags=re.MULTILINE))


def set_links(chart: Path, publisher: Publisher, version: str) -> None:
    """Replace relative links in a chart's README by links to the repository."""
    if publisher.source_url:
        file = chart / "README.md"
        target = f"{publisher.source_url}/blob/{_get_git_reference(version)}/"
        file.write_text(file.read_text().replace("](../../", f"]({target}"))


def write_metadata(
    chart: Path, publisher: Publisher, *, version: str, images: Sequence[str], notes: str
) -> None:
    """Write links and the annotations of Artifact Hub into a chart's ``Chart.yaml``.

    Parameters
    ----------
    chart
        Folder of the chart.
    publisher
        Repository that publishes the chart.
    version
        Version of the release.
    images
        References of all images that the chart can run.
    notes
        The version's section of the changelog; empty between releases.
    """
    file = chart / "Chart.yaml"
    metadata = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(_complete(metadata, publisher, version, images, notes), sort_keys=False))


def list_changes(notes: str) -> list[Mapping[str, str]]:
    """Return the changes in a section of the changelog, each with its kind as Artifact Hub names it."""
    return [
        {"kind": kind.lower(), "description": " ".join(item.split())}
        for kind, items in re.findall(r"^### (\w+)\n(.+?)(?=^### |\Z)", notes, re.MULTILINE | re.DOTALL)
        for item in re.findall(r"^- (.+?)(?=^- |\Z)", items, re.MULTILINE | re.DOTALL)
    ]


def _complete(
    metadata: Metadata, publisher: Publisher, version: str, images: Sequence[str], notes: str
) -> Metadata:
    added: Metadata = {}
    if publisher.source_url:
        file = "charts/tenantry/icon.svg"
        added = {
            "home": publisher.source_url,
            "sources": [publisher.source_url],
            "icon": f"{publisher.source_url}/raw/{_get_git_reference(version)}/{file}",
        }
    annotations = {
        "artifacthub.io/images": _dump([{"name": _get_name(image), "image": image} for image in images]),
        "artifacthub.io/prerelease": str("-" in version).lower(),
    }
    if changes := list_changes(notes):
        annotations["artifacthub.io/changes"] = _dump(changes)
    return metadata | added | {"annotations": metadata["annotations"] | annotations}


def _get_git_reference(version: str) -> str:
    """Return a reference to the files of a version: its tag, or ``HEAD`` between releases."""
    return "HEAD" if "-" in version else f"v{version}"


def _get_name(image: str) -> str:
    """Return an image's name without registry, tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _dump(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=1000)
