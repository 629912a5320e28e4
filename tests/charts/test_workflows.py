"""The workflows of GitHub are such as GitHub runs."""

import subprocess
from pathlib import Path

import pytest
from tenantry_local.context import REPOSITORY

from tools.linters import actionlint

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").iterdir())


def _complaints(file: Path) -> str:
    program = actionlint.install(lambda _: None)
    return subprocess.run([program, file], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actionlint_has_no_complaint(file: Path) -> None:
    assert not _complaints(file)


def test_a_wrong_one_would_be_seen(tmp_path: Path) -> None:
    (wrong := tmp_path / "wrong.yaml").write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs-in:", 1))
    assert "runs-in" in _complaints(wrong)
