"""Tests of the command line on machines that cannot run a cluster."""

import os
from pathlib import Path

import pytest

from tests.e2e import local_node
from tests.e2e.__main__ import main


def _make_program(folder: Path, name: str, code: int) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\nexit {code}\n")
    file.chmod(0o755)


def test_kind_requires_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main("kind") == 1
    assert "docker is not on the PATH" in capsys.readouterr().out


def test_kind_requires_a_running_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _make_program(tmp_path, "docker", 1)
    _make_program(tmp_path, "kind", 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert main("kind") == 1
    assert "Docker is not running" in capsys.readouterr().out


def test_a_local_node_requires_its_folder_next_to_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local_node, "FOLDER", tmp_path / "cluster")
    assert main("local_node") == 1
    assert "shared/cluster is not next to this checkout" in capsys.readouterr().out


def test_a_local_node_requires_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local_node, "FOLDER", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main("local_node") == 1
    assert "only root can start a node" in capsys.readouterr().out
