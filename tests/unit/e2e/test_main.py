"""Tests of the command line on machines that cannot run a cluster."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

import tests.e2e.__main__ as command
from tests.e2e import local_node
from tests.e2e.__main__ import main
from tests.e2e.eks.servers import Servers
from tests.e2e.local_node import LocalNode


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


def test_kind_refuses_the_profiles_for_eks(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main("kind", "--profiles", "eks-dev")
    assert "only run next to local_node" in capsys.readouterr().err


def test_a_local_node_requires_its_folder_next_to_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local_node, "FOLDER", tmp_path / "cluster")
    assert (main("local_node"), main("local_node", "--optional")) == (1, 0)
    assert "shared/cluster is not next to this checkout" in capsys.readouterr().out


def test_a_local_node_requires_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local_node, "FOLDER", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main("local_node") == 1
    assert "only root can start a node" in capsys.readouterr().out


AFTER_INSTALL = ["test_network.py", "test_answers.py"]


@pytest.mark.parametrize(
    ("arguments", "code", "runs"),
    [
        ((), 0, [("before-dnat", ["e2e"]), ("after-dnat", AFTER_INSTALL)]),
        ((), 1, [("before-dnat", ["e2e"])]),
        (("-k", "answers"), 0, [("before-dnat", ["e2e", "-k", "answers"])]),
        (("--egress-filter=after-dnat",), 0, [("after-dnat", ["e2e"])]),
    ],
)
def test_the_local_node_runs_the_tests_with_both_filters(
    arguments: tuple[str, ...],
    code: int,
    runs: list[tuple[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    done: list[tuple[str, list[str]]] = []
    filters: list[str] = []

    def record_run(variables: dict[str, str], given: list[str]) -> int:
        done.append((filters[-1], [Path(each).name for each in given]))
        return code

    monkeypatch.setattr(LocalNode, "missing", "")
    monkeypatch.setattr(LocalNode, "kubeconfig", tmp_path)
    monkeypatch.setattr(LocalNode, "run", lambda _: nullcontext())
    monkeypatch.setattr(LocalNode, "enforce_policies", lambda _, chosen: filters.append(chosen))
    monkeypatch.setattr(command, "_load_images", lambda _: {})
    monkeypatch.setattr(command, "_run_tests", record_run)
    assert main("local_node", *arguments) == code
    assert done == runs


@pytest.mark.parametrize(
    ("arguments", "failing", "runs"),
    [
        (
            ("--profiles", "eks-dev", "eks-prod"),
            "",
            [
                ("eks-dev", "before-dnat"), ("eks-dev", "after-dnat"),
                ("eks-prod", "before-dnat"), ("eks-prod", "after-dnat"),
            ],
        ),
        (("--profiles", "eks-dev", "eks-prod"), "eks-dev", [("eks-dev", "before-dnat")]),
        (("--profiles", "eks-prod", "--egress-filter=after-dnat"), "", [("eks-prod", "after-dnat")]),
    ],
)  # fmt: skip
def test_each_profile_for_eks_is_tested_with_both_filters(
    arguments: tuple[str, ...],
    failing: str,
    runs: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    done: list[tuple[str, str]] = []
    filters: list[str] = []

    def record_run(variables: dict[str, str], given: list[str]) -> int:
        assert Path(given[-1]).name == "test_uninstall.py"
        done.append((profile := variables["TENANTRY_E2E_PROFILE"], filters[-1]))
        return int(profile == failing)

    monkeypatch.setattr(LocalNode, "missing", "")
    monkeypatch.setattr(LocalNode, "kubeconfig", tmp_path)
    monkeypatch.setattr(LocalNode, "run", lambda _: nullcontext())
    monkeypatch.setattr(LocalNode, "enforce_policies", lambda _, chosen: filters.append(chosen))
    monkeypatch.setattr(Servers, "run", lambda _: nullcontext())
    monkeypatch.setattr(command, "remove_leftovers", lambda _: None)
    monkeypatch.setattr(command, "_load_images", lambda _: {})
    monkeypatch.setattr(command, "_run_tests", record_run)
    assert main("local_node", *arguments) == (1 if failing else 0)
    assert done == runs
