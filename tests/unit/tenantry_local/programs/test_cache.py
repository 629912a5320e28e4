"""Tests of installations into the cache."""

import sys
from pathlib import Path

import pytest
from tenantry_local.processes import LocalError
from tenantry_local.programs.cache import ensure_installed, get_cache_folder, run_logged


def test_different_pins_have_different_folders() -> None:
    assert get_cache_folder("n8n", b"one", b"two") != get_cache_folder("n8n", b"one", b"three")
    assert get_cache_folder("n8n", b"one", b"two") != get_cache_folder("n8n", b"onetwo", b"")
    assert get_cache_folder("n8n", b"one") == get_cache_folder("n8n", b"one")


def test_a_complete_installation_is_not_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "program"
    for _ in range(2):
        ensure_installed(folder, lambda made: (made / "once").touch(exist_ok=False))
    assert (folder / "once").exists()


def test_an_interrupted_installation_is_deleted_and_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "program"

    def interrupt_install(made: Path) -> None:
        (made / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_installed(folder, interrupt_install)
    ensure_installed(folder, lambda made: (made / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_a_long_command_reports_its_elapsed_time(tmp_path: Path) -> None:
    reported: list[str] = []
    argv = [sys.executable, "-c", "import time; time.sleep(1.2)"]
    run_logged(argv, folder=tmp_path, env={}, report=reported.append, doing="waiting")
    assert reported[0] == "waiting (once per machine): 0:00"
    assert reported[-1] == "waiting (once per machine): 0:01"


def test_the_error_of_a_failed_command_has_its_last_output(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os; print(os.environ['MESSAGE']); raise SystemExit(7)"]
    with pytest.raises(LocalError, match=r"(?s)installing it failed: .* ended with 7:\nno space here"):
        run_logged(
            argv,
            folder=tmp_path,
            env={"MESSAGE": "no space here"},
            report=lambda _: None,
            doing="installing it",
        )
