"""A folder of the cache is filled once, whole or not at all, and says why it could not be."""

import sys
from pathlib import Path

import pytest
from tenantry_local.processes import LocalError
from tenantry_local.programs.cache import cache_folder, ensure_installed, run_logged


def test_other_pins_are_another_folder() -> None:
    assert cache_folder("n8n", b"one", b"two") != cache_folder("n8n", b"one", b"three")
    assert cache_folder("n8n", b"one", b"two") != cache_folder("n8n", b"onetwo", b"")
    assert cache_folder("n8n", b"one") == cache_folder("n8n", b"one")


def test_what_is_installed_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "program"
    for _ in range(2):
        ensure_installed(folder, lambda made: (made / "once").touch(exist_ok=False))
    assert (folder / "once").exists()


def test_what_an_interrupted_installation_has_left_is_cleared_away(tmp_path: Path) -> None:
    folder = tmp_path / "program"

    def interrupted(made: Path) -> None:
        (made / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_installed(folder, interrupted)
    ensure_installed(folder, lambda made: (made / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_a_long_command_says_how_long_it_has_taken(tmp_path: Path) -> None:
    said: list[str] = []
    argv = [sys.executable, "-c", "import time; time.sleep(1.2)"]
    run_logged(argv, folder=tmp_path, env={}, report=said.append, doing="waiting")
    assert said[0] == "waiting, once: 0:00"
    assert said[-1] == "waiting, once: 0:01"


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os; print(os.environ['WHERE']); raise SystemExit(7)"]
    with pytest.raises(LocalError, match=r"(?s)installing it failed: .* ended with 7:\nno space here"):
        run_logged(
            argv,
            folder=tmp_path,
            env={"WHERE": "no space here"},
            report=lambda _: None,
            doing="installing it",
        )
