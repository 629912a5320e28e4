"""Tests of the metadata of the published chart."""

from pathlib import Path

import pytest
import yaml

from tools.chart_metadata import Publisher, list_changes, set_image_registry, set_links, write_metadata

FORK = Publisher("registry.example/some/fork", "https://git.example/Some/Fork")

VALUES = """operator:
  image:
    # -- Image repository.
    repository: tenantry/operator
    tag: ""
qdrant:
  image:
    repository: qdrant/qdrant
  # repository: tenantry/comment is explained
"""

NOTES = """### Added

- A thing
  on two lines.
- Another thing.

### Fixed

- A fault.
"""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "values.yaml").write_text(VALUES)
    (tmp_path / "Chart.yaml").write_text(
        "name: tenantry\nannotations:\n  artifacthub.io/license: Apache-2.0\n"
    )
    return tmp_path


def read_metadata(chart: Path) -> dict[str, object]:
    metadata: dict[str, object] = yaml.safe_load((chart / "Chart.yaml").read_text())
    return metadata


def test_only_the_images_of_tenantry_get_the_registry(chart: Path) -> None:
    set_image_registry(chart, FORK)
    text = (chart / "values.yaml").read_text()
    assert text == VALUES.replace("tenantry/operator", "registry.example/some/fork/operator")


def test_without_a_publisher_the_values_are_unchanged(chart: Path) -> None:
    set_image_registry(chart, Publisher())
    assert (chart / "values.yaml").read_text() == VALUES


def test_the_links_name_the_publishing_repository(chart: Path) -> None:
    write_metadata(chart, FORK, version="1.2.3", images=[], notes="")
    metadata = read_metadata(chart)
    assert metadata["home"] == FORK.source_url
    assert metadata["sources"] == [FORK.source_url]
    assert metadata["icon"] == f"{FORK.source_url}/raw/v1.2.3/charts/tenantry/icon.svg"


def test_links_of_the_readme_lead_to_the_version_in_the_repository(chart: Path) -> None:
    text = "[Values](../../docs/values.md), [a site](https://site.example)"
    (chart / "README.md").write_text(text)
    set_links(chart, Publisher(), "1.2.3")
    assert (chart / "README.md").read_text() == text
    set_links(chart, FORK, "1.2.3")
    assert (chart / "README.md").read_text() == text.replace("../../", f"{FORK.source_url}/blob/v1.2.3/")


def test_the_icon_of_a_version_between_releases_has_no_tag(chart: Path) -> None:
    write_metadata(chart, FORK, version="1.2.4-dev.5", images=[], notes="")
    assert str(read_metadata(chart)["icon"]).startswith(f"{FORK.source_url}/raw/HEAD/")


def test_annotations_list_images_and_changes_and_keep_the_others(chart: Path) -> None:
    images = ["registry.example:5000/some/gateway:1.2.3", "qdrant/qdrant:v1@sha256:abc"]
    write_metadata(chart, Publisher(), version="1.2.3", images=images, notes=NOTES)
    metadata = read_metadata(chart)
    annotations = metadata["annotations"]
    assert isinstance(annotations, dict)
    assert annotations["artifacthub.io/license"] == "Apache-2.0"
    assert annotations["artifacthub.io/prerelease"] == "false"
    assert yaml.safe_load(annotations["artifacthub.io/images"]) == [
        {"name": "gateway", "image": images[0]},
        {"name": "qdrant", "image": images[1]},
    ]
    assert yaml.safe_load(annotations["artifacthub.io/changes"]) == list_changes(NOTES)
    assert "icon" not in metadata


def test_changes_have_a_kind_and_one_line_each() -> None:
    assert list_changes(NOTES) == [
        {"kind": "added", "description": "A thing on two lines."},
        {"kind": "added", "description": "Another thing."},
        {"kind": "fixed", "description": "A fault."},
    ]
    assert list_changes("") == []


def test_a_version_between_releases_is_a_prerelease_without_changes(chart: Path) -> None:
    write_metadata(chart, Publisher(), version="0.0.0-dev.7", images=[], notes="")
    annotations = read_metadata(chart)["annotations"]
    assert isinstance(annotations, dict)
    assert annotations["artifacthub.io/prerelease"] == "true"
    assert "artifacthub.io/changes" not in annotations
