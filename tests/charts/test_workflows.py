"""Tests of the GitHub workflows with actionlint."""

import subprocess
from pathlib import Path

import pytest
from tenantry_local.context import REPOSITORY

from tools.linters import actionlint

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").iterdir())


def _run_actionlint(file: Path) -> str:
    program = actionlint.install(lambda _: None)
    return subprocess.run([program, file], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actionlint_accepts_each_workflow(file: Path) -> None:
    assert not _run_actionlint(file)


def test_actionlint_detects_a_wrong_key(tmp_path: Path) -> None:
    (wrong := tmp_path / "wrong.yaml").write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs-in:", 1))
    assert "runs-in" in _run_actionlint(wrong)
