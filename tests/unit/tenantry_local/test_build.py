"""Tests of the build of the control plane, with a fake compiler."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tenantry_local import build
from tenantry_local.build import PROGRAMS, ensure_control_plane, get_version
from tenantry_local.processes import LocalError


@pytest.fixture
def built_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list of built folders; cache and pins are in a temporary folder."""
    folders: list[Path] = []

    def create_programs(folder: Path, report: Callable[[str], None]) -> None:
        folders.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            (folder / name).touch()

    (tmp_path / "source" / "etcd").mkdir(parents=True)
    for name in ("go.mod", "go.sum", "etcd/main.go"):
        (tmp_path / "source" / name).write_text("pins")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(build, "SOURCE", tmp_path / "source")
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(build, "_build", create_programs)
    return folders


def ignore_progress(_: str) -> None:
    pass


def test_the_control_plane_is_built_once_for_the_same_pins(built_folders: list[Path]) -> None:
    assert ensure_control_plane(ignore_progress) == ensure_control_plane(ignore_progress)
    assert len(built_folders) == 1


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "etcd/main.go"])
def test_another_pin_is_built_into_a_separate_folder(
    built_folders: list[Path], tmp_path: Path, changed: str
) -> None:
    old = ensure_control_plane(ignore_progress)
    (tmp_path / "source" / changed).write_text("another pin")
    new = ensure_control_plane(ignore_progress)
    assert new != old
    assert old.exists()


def test_a_build_that_lacks_a_program_is_repeated(built_folders: list[Path]) -> None:
    (ensure_control_plane(ignore_progress) / "etcd").unlink()
    ensure_control_plane(ignore_progress)
    assert len(built_folders) == 2


def test_external_programs_are_used_without_a_build(
    built_folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = {"etcd": "etcd Version: 3.5.1\nGit SHA: 0", "kube-apiserver": "Kubernetes v1.34.2"}
    for name in PROGRAMS:
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<EOF\n{printed.get(name, '')}\nEOF\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert ensure_control_plane(ignore_progress) == tmp_path
    assert not built_folders
    assert [get_version("etcd"), get_version("kube-apiserver")] == ["v3.5.1", "v1.34.2"]


def test_missing_external_programs_are_named_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etcd").touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(LocalError, match=r"has no kube-apiserver, kube-controller-manager"):
        ensure_control_plane(ignore_progress)


def test_the_versions_shown_are_the_versions_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    pins = dict(re.findall(r"^\s*(\S+) (v[\d.]+)$", (build.SOURCE / "go.mod").read_text(), re.MULTILINE))
    assert get_version("kube-apiserver") == pins["k8s.io/kubernetes"]
    assert get_version("etcd") == pins["go.etcd.io/etcd/server/v3"]
