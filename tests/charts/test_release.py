"""Tests of the packaged chart: one version throughout, and the repository's Tenant CRD."""

from pathlib import Path

import pytest

from tests.support.charts.rendering import run_helm
from tools.release import copy_sources
from tools.release_checks import ReleaseError, check_chart, unpack
from tools.version import REPOSITORY, list_versioned_files, stamp

VERSION = "1.2.3"


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
    check_chart(chart, source / "crds", VERSION)


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
        ("files/crds/tenants.tenantry.io.yaml", "served: true", "served: false", "differ from crds/"),
        ("values.yaml", "autoscaling:", "autoscalin:", "lint --strict"),
    ],
    ids=["part", "dependency", "image", "crd", "values"],
)
def test_an_inconsistent_chart_is_refused(
    chart: Path, source: Path, file: str, written: str, replaced: str, message: str
) -> None:
    replace(chart / file, written, replaced)
    with pytest.raises(ReleaseError, match=message):
        check_chart(chart, source / "crds", VERSION)


def test_a_tenant_crd_without_the_version_is_refused(chart: Path, source: Path) -> None:
    for crds in (chart / "files" / "crds", source / "crds"):
        replace(crds / "tenants.tenantry.io.yaml", f"version: {VERSION}", "version: 1.2.2")
    with pytest.raises(ReleaseError, match=r"1\.2\.2"):
        check_chart(chart, source / "crds", VERSION)
