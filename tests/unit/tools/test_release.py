"""Tests of the release: its files, its notes and its checks."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from tests.support.programs.git import run_git
from tools.release import SOURCES, export_sources, get_checksums, get_notes, pack_context
from tools.release_checks import ReleaseError, check_images, parse_dockerfile
from tools.version import REPOSITORY

CHANGELOG = """# Changelog

## 0.2.0 (2027-01-02)

### Added

- A thing.

## 0.1.0 (2026-12-01)

First.
"""


def make_tree(folder: Path) -> Path:
    for name in SOURCES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if "." in name or name == "Dockerfile":
            (folder / name).write_text("*\n!services\n")
        else:
            (folder / name).mkdir()
            (folder / name / "a.py").write_text("1")
    (folder / "services" / "__pycache__").mkdir()
    (folder / "services" / "__pycache__" / "a.pyc").write_text("x")
    return folder


def test_a_release_of_a_clone_contains_only_committed_files(tmp_path: Path) -> None:
    clone = make_tree(tmp_path / "clone")
    run_git(clone, "init", "--quiet")
    run_git(clone, "add", ".")
    run_git(clone, "commit", "-m", "Add a tree")
    (clone / "services" / "a.py").write_text("2")
    (clone / "services" / "secret.env").write_text("x")
    (clone / "CHANGELOG.md").write_text("not committed")
    source = export_sources(clone, tmp_path / "source")
    assert (source / "services" / "a.py").read_text() == "1"
    assert not (source / "services" / "secret.env").exists()
    assert (source / "CHANGELOG.md").read_text() != "not committed"


def test_an_archive_without_git_is_released_unchanged(tmp_path: Path) -> None:
    source = export_sources(make_tree(tmp_path / "archive"), tmp_path / "source")
    assert {file.name for file in source.iterdir()} == set(SOURCES)
    assert [file.name for file in (source / "services").iterdir()] == ["a.py"]


def test_the_context_contains_what_docker_would_send(tmp_path: Path) -> None:
    archive = tmp_path / "context.tar.gz"
    pack_context(make_tree(tmp_path / "source"), archive)
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    assert {member.name for member in members} == {"Dockerfile", ".dockerignore", "services", "services/a.py"}
    assert {(member.uid, member.uname) for member in members} == {(0, "root")}


def test_the_lock_and_wheels_of_each_image_are_read_from_the_dockerfile() -> None:
    images = {image.name: image for image in parse_dockerfile((REPOSITORY / "Dockerfile").read_text())}
    assert set(images) == {"operator", "gateway", "file-sync", "jobs"}
    assert images["gateway"].lock == "requirements/gateway.txt"
    assert images["gateway"].wheels == (
        "tenantry_servicekit-*.whl",
        "tenantry_tenancy-*.whl",
        "tenantry_gateway-*.whl",
    )


def test_a_context_without_a_copied_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY operator operator\n")
    with pytest.raises(ReleaseError, match="copies operator"):
        check_images(tmp_path, tmp_path, tmp_path, "1.2.3")


def test_the_notes_of_a_version_are_its_section() -> None:
    assert get_notes(CHANGELOG, "0.2.0") == "### Added\n\n- A thing.\n"
    assert get_notes(CHANGELOG, "0.1.0") == "First.\n"


@pytest.mark.parametrize("version", ["0.3.0", "0.2", "0x2.0"])
def test_a_version_without_a_section_is_refused(version: str) -> None:
    with pytest.raises(ReleaseError, match=f"make changelog VERSION={version}"):
        get_notes(CHANGELOG, version)


def test_checksums_have_the_format_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("2")
    (tmp_path / "a").write_text("1")
    (tmp_path / "SHA256SUMS").write_text("old")
    lines = get_checksums(tmp_path).splitlines()
    assert lines == [
        f"{hashlib.sha256(text).hexdigest()}  {name}" for name, text in (("a", b"1"), ("b", b"2"))
    ]
