"""Tests of the packaged chart: one version throughout, and the repository's Tenant CRD."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts.rendering import run_helm
from tools.chart_metadata import Publisher
from tools.release import complete_chart, copy_sources
from tools.release_checks import ReleaseError, check_chart, list_images, parse_dockerfile, unpack
from tools.version import REPOSITORY, list_versioned_files, stamp

VERSION = "1.2.3"

REPOSITORIES = {f"tenantry/{name}" for name in ("operator", "gateway", "file-sync", "jobs")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the repository with a version written into it."""
    folder = copy_sources(REPOSITORY, tmp_path / "source")
    stamp(list_versioned_files(folder), VERSION)
    return folder


@pytest.fixture
def chart(source: Path, tmp_path: Path) -> Path:
    """The unpacked chart."""
    run_helm("package", str(source / "charts" / "tenantry"), "-d", str(tmp_path))
    return unpack(tmp_path / f"tenantry-{VERSION}.tgz", tmp_path / "chart") / "tenantry"


def test_a_packaged_chart_has_one_version_and_the_tenant_crd(chart: Path, source: Path) -> None:
    check_chart(chart, source / "crds", VERSION, REPOSITORIES)


def list_pushed_images(registry: str) -> set[str]:
    """Return the images that ci.yaml publishes under the version."""
    (job,) = (job for job in read_workflow()["jobs"].values() if "target" in str(job.get("strategy")))
    (image,) = {job["env"]["IMAGE"]}
    (tags,) = (step["run"] for step in job["steps"] if "imagetools create" in step.get("run", ""))
    assert '--tag "$IMAGE:$VERSION"' in tags
    name = image.replace("${{ needs.release.outputs.registry }}", registry)
    return {
        f"{name.replace('${{ matrix.target }}', target)}" for target in job["strategy"]["matrix"]["target"]
    }


def read_workflow() -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load((REPOSITORY / ".github/workflows/ci.yaml").read_text())
    return workflow


def test_a_published_chart_runs_the_images_that_ci_pushes(source: Path, tmp_path: Path) -> None:
    registry = "registry.example/some/fork"
    publisher = Publisher(registry, "https://git.example/Some/Fork")
    folder = source / "charts" / "tenantry"
    complete_chart(folder, publisher, VERSION, notes="### Added\n\n- A thing.\n")
    run_helm("package", str(folder), "-d", str(tmp_path))
    chart = unpack(tmp_path / f"tenantry-{VERSION}.tgz", tmp_path / "chart") / "tenantry"
    pushed = list_pushed_images(registry)
    assert pushed == {
        f"{registry}/{image.name}" for image in parse_dockerfile((source / "Dockerfile").read_text())
    }
    check_chart(chart, source / "crds", VERSION, pushed)
    images = yaml.safe_load(
        yaml.safe_load((chart / "Chart.yaml").read_text())["annotations"]["artifacthub.io/images"]
    )
    assert [each["image"] for each in images] == list_images(chart)
    assert {f"{image}:{VERSION}" for image in pushed} < {each["image"] for each in images}


def test_ci_names_the_publisher_of_the_release() -> None:
    (build,) = (
        step["run"]
        for step in read_workflow()["jobs"]["release"]["steps"]
        if "make release" in step.get("run", "")
    )
    assert 'REGISTRY="$REGISTRY"' in build
    assert 'SOURCE_URL="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"' in build


def test_the_package_has_readme_icon_and_license(chart: Path) -> None:
    assert {"README.md", "icon.svg"} <= {file.name for file in chart.iterdir()}
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert metadata["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    assert metadata["keywords"]
    assert metadata["maintainers"]
    assert metadata["kubeVersion"]


def replace(file: Path, written: str, replaced: str) -> None:
    text = file.read_text()
    assert written in text
    file.write_text(text.replace(written, replaced))


@pytest.mark.parametrize(
    ("file", "written", "replaced", "message"),
    [
        ("charts/qdrant/Chart.yaml", "version: 1.2.3", "version: 1.2.2", "qdrant in charts/qdrant"),
        ("Chart.yaml", 'repository: ""\n  version: 1.2.3', "version: 1.2.2", "common in Chart"),
        ("charts/gateway/Chart.yaml", "appVersion: 1.2.3", "appVersion: 1.2.2", "tenantry/gateway:1.2.2"),
        ("values.yaml", "repository: tenantry/gateway", "repository: other/gateway", "runs tenantry/file"),
        ("files/crds/tenants.tenantry.io.yaml", "served: true", "served: false", "differ from crds/"),
        ("values.yaml", "autoscaling:", "autoscalin:", "lint --strict"),
    ],
    ids=["part", "dependency", "image", "registry", "crd", "values"],
)
def test_an_inconsistent_chart_is_refused(
    chart: Path, source: Path, file: str, written: str, replaced: str, message: str
) -> None:
    replace(chart / file, written, replaced)
    with pytest.raises(ReleaseError, match=message):
        check_chart(chart, source / "crds", VERSION, REPOSITORIES)


def test_a_tenant_crd_without_the_version_is_refused(chart: Path, source: Path) -> None:
    for crds in (chart / "files" / "crds", source / "crds"):
        replace(crds / "tenants.tenantry.io.yaml", f"version: {VERSION}", "version: 1.2.2")
    with pytest.raises(ReleaseError, match=r"1\.2\.2"):
        check_chart(chart, source / "crds", VERSION, REPOSITORIES)
