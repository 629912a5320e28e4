"""Tests of the Makefile, with stubs in place of the programs that it runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.version import REPOSITORY

PROGRAMS = ("ruff", "python", "mypy", "lint-imports")
STUB = """#!/bin/sh
case "$0 $*" in *"${FAILING:-nothing}"*) echo "the finding"; exit 1;; esac
echo "ran ${0##*/} $*: bytecode ${PYTHONDONTWRITEBYTECODE:-on}"
"""
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
        (programs / name).write_text(STUB)
        (programs / name).chmod(0o755)
    return tmp_path


def make(checkout: Path, target: str, failing: str = "") -> subprocess.CompletedProcess[str]:
    """Run make as from a shell, without a package of the project; a program of the name ``failing`` fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "MEMBERS=", target],
        cwd=checkout,
        env={**env, "PYTHONDONTWRITEBYTECODE": "1", "FAILING": failing},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["ruff check", "python -m mkdocs", "mypy", "lint-imports"])
def test_checks_run_every_check(checkout: Path, command: str) -> None:
    done = make(checkout, "checks")
    assert done.returncode == 0, done.stderr
    assert f"ran {command}" in done.stdout


@pytest.mark.parametrize(
    ("failing", "target"),
    [
        ("mypy", "types"),
        ("mkdocs", "docs"),
        ("ruff", "lint"),
        ("word_check", "lint"),
        ("lint-imports", "imports"),
    ],
)
def test_a_failed_check_fails_make_and_is_named(checkout: Path, failing: str, target: str) -> None:
    done = make(checkout, "checks", failing)
    assert done.returncode
    assert "the finding" in done.stdout
    assert f": {target}] Error 1" in done.stderr


def test_setup_installs_the_packages_once(checkout: Path) -> None:
    (checkout / ".venv" / ".ready").unlink()
    installer = checkout / ".venv" / "uv" / "bin" / "uv"
    installer.write_text(STUB)
    installer.chmod(0o755)
    assert "ran uv pip install" in make(checkout, "setup").stdout
    assert "ran" not in make(checkout, "setup").stdout


def test_programs_cache_bytecode_where_the_environment_disables_it(checkout: Path) -> None:
    assert "bytecode on" in make(checkout, "types").stdout
