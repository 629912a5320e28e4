"""Tests of start, search and stop of programs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tenantry_local import processes as module
from tenantry_local.processes import LocalError, Process, Processes, find_port_owner

from tests.support.programs.other_programs import run_unrelated_program, run_web_server

SLEEP = ["sleep", "600"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    for name in made.list_names():
        made.stop(name, signal.SIGKILL)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met within 10 s"
        time.sleep(0.01)


def test_a_started_program_is_found_by_a_later_run_and_stopped(processes: Processes, tmp_path: Path) -> None:
    started = processes.start("sleeper", SLEEP, {})
    later = Processes(tmp_path)
    assert later.find("sleeper") == started
    assert later.stop("sleeper")
    assert not psutil.pid_exists(started.pid)
    assert later.find("sleeper") is None
    assert not later.stop("sleeper"), "there is nothing left to stop"


def test_another_program_with_a_recorded_pid_is_neither_found_nor_stopped(
    processes: Processes, tmp_path: Path
) -> None:
    with run_unrelated_program(*SLEEP) as theirs:
        fields = Path(f"/proc/{theirs.pid}/stat").read_text().split()
        fields[21] = str(int(fields[21]) - 100)  # the start time of another process with that pid
        (tmp_path / "run" / "old.process").write_text(f"digest {' '.join(fields)}\n")
        assert processes.find("old") is None
        assert not processes.stop("old")
        assert theirs.poll() is None
        assert processes.list_names() == [], "the record is deleted"


def test_a_starter_that_is_killed_before_it_knows_the_pid_leaves_a_record(
    processes: Processes, tmp_path: Path
) -> None:
    starter = f"""
import os, signal
from pathlib import Path
from tenantry_local.processes import Processes

class Killed(Processes):
    def _find_recorded(self, name):
        os.kill(os.getpid(), signal.SIGKILL)

Killed(Path({str(tmp_path)!r})).start("sleeper", {SLEEP!r}, {{}})
"""
    assert subprocess.run([sys.executable, "-c", starter], check=False).returncode == -signal.SIGKILL
    wait_until(lambda: processes.find("sleeper"))
    assert processes.stop("sleeper")


def list_sleepers(leader: Process) -> list[psutil.Process]:
    """Return the child processes ``sleep``, without those of the shell before its ``exec``."""
    sleepers = []
    for child in psutil.Process(leader.pid).children():
        with suppress(psutil.NoSuchProcess):
            if child.name() == "sleep":
                sleepers.append(child)
    return sleepers


def test_children_of_a_dead_program_are_stopped(processes: Processes) -> None:
    leader = processes.start("shell", ["sh", "-c", "sleep 600 & setsid sleep 600 & wait"], {})
    wait_until(lambda: len(list_sleepers(leader)) == 2)
    children = list_sleepers(leader)
    wait_until(lambda: any(os.getsid(child.pid) == child.pid for child in children))
    same_session = [child for child in children if os.getsid(child.pid) == leader.pid]
    others = [child for child in children if child not in same_session]
    assert (len(same_session), len(others)) == (1, 1)
    os.kill(leader.pid, signal.SIGKILL)
    wait_until(lambda: processes.find("shell") is None)
    processes.stop("shell")
    assert not any(child.is_running() and child.status() != "zombie" for child in same_session)
    for child in others:  # the child left its session and parent, so only the test can stop it
        child.kill()


def test_children_in_other_sessions_are_stopped_with_their_parent(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT_SECONDS", 0.2)
    leader = processes.start("shell", ["sh", "-c", "setsid sleep 600 & wait"], {})
    wait_until(lambda: list_sleepers(leader))
    (child,) = list_sleepers(leader)
    wait_until(lambda: os.getsid(child.pid) == child.pid)
    processes.stop("shell")
    assert not child.is_running() or child.status() == "zombie"


def test_a_program_that_ignores_the_signal_is_killed(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT_SECONDS", 0.2)
    deaf = processes.start("deaf", ["sh", "-c", "trap '' TERM; while :; do sleep 600; done"], {})
    wait_until(lambda: list_sleepers(deaf))
    assert processes.stop("deaf")
    assert not psutil.pid_exists(deaf.pid)


def test_a_zombie_does_not_delay_stop(processes: Processes) -> None:
    ended = processes.start("ended", ["true"], {})
    wait_until(lambda: psutil.Process(ended.pid).status() == psutil.STATUS_ZOMBIE)
    assert processes.find("ended") is None
    before = time.monotonic()
    assert not processes.stop("ended")
    assert time.monotonic() - before < 1


def test_a_program_gets_its_settings_and_no_other_variables(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    processes.start("printer", ["env"], {"ITS_OWN": "setting"})
    wait_until(lambda: processes.find("printer") is None)
    printed = processes.read_tail("printer", 100)
    assert "ITS_OWN=setting" in printed
    assert "PATH=" in printed
    assert "AWS_SECRET_ACCESS_KEY" not in printed


def test_a_program_that_cannot_be_recorded_is_not_started(processes: Processes, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    (tmp_path / "run" / "blocked.process.new").mkdir()
    with pytest.raises(LocalError, match="blocked could not be started"):
        processes.start("blocked", ["touch", str(witness)], {})
    assert not witness.exists()


def test_the_owner_of_a_port_is_described_by_pid_and_command() -> None:
    with run_web_server() as (pid, port):
        owner = find_port_owner(port)
    assert owner is not None
    assert f"pid {pid}" in owner
    assert "http.server" in owner
    assert find_port_owner(port) is None
