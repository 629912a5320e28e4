"""Tests of the Makefile, with stubs in place of the programs that it runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.version import REPOSITORY

PROGRAMS = ("ruff", "python", "mypy", "lint-imports", "mkdocs")
INSTALLED = (
    "pyproject.toml", "requirements/uv.txt", "requirements/dev.txt", "tools/mermaid.py", ".venv/uv/bin/uv",
    ".venv/.ready",
)  # fmt: skip
"""Files by which make sees that the packages are installed, from the oldest to the newest."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the Makefile and a virtual environment of stubs that succeed."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in INSTALLED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in PROGRAMS:
        write_stub(programs / name, f'echo "{name} ran, bytecode:${{PYTHONDONTWRITEBYTECODE}}."')
    return tmp_path


def write_stub(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def make(checkout: Path, target: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a shell, without a package of the project."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "MEMBERS=", target],
        cwd=checkout,
        env={**env, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_checks_run_every_check(checkout: Path) -> None:
    done = make(checkout, "checks")
    assert done.returncode == 0, done.stderr
    assert all(f"{name} ran" in done.stdout for name in PROGRAMS)


@pytest.mark.parametrize(
    ("program", "target"),
    [
        ("mypy", "types"),
        ("mkdocs", "docs"),
        ("ruff", "lint"),
        ("python", "lint"),
        ("lint-imports", "imports"),
    ],
)
def test_a_failed_check_fails_make_and_is_named(checkout: Path, program: str, target: str) -> None:
    write_stub(checkout / ".venv" / "bin" / program, "echo 'the finding'; exit 1")
    done = make(checkout, "checks")
    assert done.returncode
    assert "the finding" in done.stdout
    assert f": {target}] Error 1" in done.stderr


def test_programs_cache_bytecode_where_the_environment_disables_it(checkout: Path) -> None:
    assert "mypy ran, bytecode:." in make(checkout, "types").stdout
