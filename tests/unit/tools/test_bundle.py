"""Tests of the bundle of a release for the pipeline."""

import zipfile
from pathlib import Path

import pytest
import yaml

from tools.bundle import PIPELINE, BundleError, build, parse_images

DIGEST = f"sha256:{'0' * 64}"
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tenantry"
REFERENCES = [f"{name}={REGISTRY}/{name}@{DIGEST}" for name in ("operator", "gateway", "file-sync", "jobs")]


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the programs, which unit tests do not install."""
    for name in ("helm", "kubectl"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr("tools.bundle.helm.install", lambda _: tmp_path / "helm")
    monkeypatch.setattr("tools.bundle.shutil.which", lambda name: str(tmp_path / name))


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "tenantry-1.2.3.tgz").write_bytes(b"chart")
    (folder / "tenantry-images-1.2.3.tar.gz").write_bytes(b"context")
    return folder


def test_a_bundle_has_all_that_an_installation_needs(dist: Path, tmp_path: Path) -> None:
    file = build(parse_images(REFERENCES), dist, tmp_path)
    assert file.name == "tenantry-1.2.3.zip"
    with zipfile.ZipFile(file) as bundle:
        assert sorted(bundle.namelist()) == [
            "bin/helm", "bin/kubectl", "buildspec.yaml", "deploy.sh", "images.yaml", "tenantry-1.2.3.tgz",
        ]  # fmt: skip
        assert bundle.read("deploy.sh") == (PIPELINE / "deploy.sh").read_bytes()
        values = yaml.safe_load(bundle.read("images.yaml"))
    assert values["gateway"] == {"image": {"repository": f"{REGISTRY}/gateway", "digest": DIGEST}}
    assert values["databases"]["image"] == {"repository": f"{REGISTRY}/jobs", "digest": DIGEST}


@pytest.mark.parametrize(
    "wrong",
    [
        f"gateway={REGISTRY}/gateway:1.2.3",
        f"gateway={REGISTRY}/gateway:1.2.3@{DIGEST}",
        f"gateway={REGISTRY}/gateway@sha256:123",
        f"other={REGISTRY}/other@{DIGEST}",
        f"{REGISTRY}/gateway@{DIGEST}",
    ],
)
def test_an_image_without_a_digest_or_with_a_tag_is_refused(wrong: str) -> None:
    with pytest.raises(BundleError, match="is no image"):
        parse_images([*REFERENCES, wrong])


def test_all_images_are_needed() -> None:
    with pytest.raises(BundleError, match="have no digest: file-sync, jobs"):
        parse_images(REFERENCES[:2])


def test_without_a_chart_there_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="has 0 charts"):
        build(parse_images(REFERENCES), tmp_path, tmp_path)
