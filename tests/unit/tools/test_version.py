"""Tests of the version, which comes from the git tag."""

import tomllib
from pathlib import Path

import pytest
import yaml

from tests.support.programs.git import run_git
from tools.version import PLACEHOLDER, REPOSITORY, get_version, list_versioned_files, stamp


def commit(folder: Path) -> None:
    run_git(folder, "commit", "--allow-empty", "-m", "Change a thing")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    run_git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def test_an_archive_without_git_has_the_placeholder(tmp_path: Path) -> None:
    assert get_version(tmp_path) == PLACEHOLDER


def test_a_clone_without_tags_counts_its_commits(checkout: Path) -> None:
    commit(checkout)
    assert get_version(checkout) == f"{PLACEHOLDER}.2"


def test_a_tagged_commit_has_the_tags_version(checkout: Path) -> None:
    run_git(checkout, "tag", "v1.2.3")
    assert get_version(checkout) == "1.2.3"


def test_a_later_commit_is_a_development_version_of_the_next_patch(checkout: Path) -> None:
    run_git(checkout, "tag", "-a", "v1.2.3", "-m", "Release 1.2.3")
    commit(checkout)
    commit(checkout)
    assert get_version(checkout) == "1.2.4-dev.2"


def test_other_tags_are_ignored(checkout: Path) -> None:
    run_git(checkout, "tag", "v1.2.3")
    commit(checkout)
    run_git(checkout, "tag", "nightly")
    run_git(checkout, "tag", "v1.3.0-rc.1")
    assert get_version(checkout) == "1.2.4-dev.1"


def test_a_version_replaces_every_placeholder(tmp_path: Path) -> None:
    file = tmp_path / "Chart.yaml"
    file.write_text(f"version: {PLACEHOLDER}\nappVersion: {PLACEHOLDER}\nkubeVersion: 1.31\n")
    stamp([file], "1.2.3")
    assert file.read_text() == "version: 1.2.3\nappVersion: 1.2.3\nkubeVersion: 1.31\n"


def test_every_package_has_the_placeholder() -> None:
    workspace = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    for member in (".", *workspace["tool"]["uv"]["workspace"]["members"]):
        project = tomllib.loads((REPOSITORY / member / "pyproject.toml").read_text())["project"]
        assert project["version"] == PLACEHOLDER, member


def test_every_chart_has_the_placeholder() -> None:
    charts = list(REPOSITORY.glob("charts/**/Chart.yaml"))
    assert charts
    for file in charts:
        chart = yaml.safe_load(file.read_text())
        assert chart["version"] == PLACEHOLDER, file
        for dependency in chart.get("dependencies", []):
            assert dependency["version"] == PLACEHOLDER, (file, dependency)


def test_the_crd_has_the_placeholder() -> None:
    crd = yaml.safe_load((REPOSITORY / "crds" / "tenants.tenantry.io.yaml").read_text())
    assert crd["metadata"]["labels"]["app.kubernetes.io/version"] == PLACEHOLDER


def test_each_stamped_file_has_the_placeholder() -> None:
    files = list_versioned_files(REPOSITORY)
    assert {file.parent.name for file in files} >= {
        "operator",
        "gateway",
        "tenancy",
        "tenantry",
        "qdrant",
        "crds",
    }
    assert not [file for file in files if PLACEHOLDER not in file.read_text()]
