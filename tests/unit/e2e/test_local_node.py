"""Tests of starting and stopping the local node: a dead node is removed, a live one is kept."""

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e import local_node
from tests.e2e.local_node import LocalNode
from tests.support.network.policies import EgressFilter
from tests.support.programs.other_programs import run_unrelated_program

SCRIPTS = {
    "env.sh": "D=$PWD/node PODNET=10.1.0.0/24 B=$PWD/bin K=$PWD/bin; "
    "export KUBECONFIG=$D/admin.kubeconfig PATH=$PWD/bin:$PATH",
    "up.sh": '. ./env.sh; [ -d "$D" ] && exit 1; mkdir -p "$D/pid"; echo up >>calls',
    "down.sh": '. ./env.sh; echo "down $(cd "$D/pid" && ls)" >>calls; rm -r "$D"',
    "src/build.sh": "",
    "bin/kubectl": "exit 1",
}

ENGINE = (
    "import os, sys, time\n"
    "print('applied', os.environ['KUBECONFIG'], *sys.argv[1:], flush=True)\n"
    "time.sleep(60)"
)
"""A program that reports its arguments as the one for network policies does."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the cluster's folder whose scripts only record their calls."""
    for name, text in SCRIPTS.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
    for name in ("kube-apiserver", "kube-controller-manager"):
        (tmp_path / "bin" / name).touch()
    monkeypatch.setattr(local_node, "FOLDER", tmp_path)
    monkeypatch.setattr(local_node, "ensure_control_plane", lambda report: tmp_path / "bin")
    return tmp_path


def run_process(*arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run an idle process with some arguments."""
    return run_unrelated_program(sys.executable, "-c", "import time; time.sleep(60)", *arguments)


def create_remains(folder: Path, pid: int) -> None:
    """Create the remains of a node with the id of a process."""
    (folder / "node" / "pid").mkdir(parents=True)
    (folder / "node" / "pid" / "kubelet.pid").write_text(f"{pid}\n")


def list_calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []


def test_a_node_is_started_and_stopped(folder: Path) -> None:
    with LocalNode().run():
        assert list_calls(folder) == ["up"]
    assert list_calls(folder) == ["up", "down "]


def test_a_dead_node_is_removed_first(folder: Path) -> None:
    with run_process() as dead:
        pass
    create_remains(folder, dead.pid)
    with LocalNode().run():
        assert list_calls(folder) == ["down ", "up"]


def test_a_process_with_a_reused_id_is_not_stopped(folder: Path) -> None:
    with run_process() as other:
        create_remains(folder, other.pid)
        with LocalNode().run():
            assert list_calls(folder) == ["down ", "up"], "down.sh must not read the id"
        assert other.poll() is None


def test_a_live_node_that_does_not_answer_is_kept(folder: Path) -> None:
    with run_process(f"--config={folder}/node/kubelet.yaml") as kubelet:
        create_remains(folder, kubelet.pid)
        with pytest.raises(SystemExit, match="is a live node"), LocalNode().run():
            pass
        assert (folder / "node").exists()
        assert not list_calls(folder)


def test_a_running_node_is_used_and_kept(folder: Path) -> None:
    create_remains(folder, os.getpid())
    (folder / "node" / "admin.kubeconfig").touch()
    (folder / "bin" / "kubectl").write_text("#!/bin/sh\n")
    with LocalNode().run():
        pass
    assert not list_calls(folder)


def test_the_program_for_network_policies_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_node, "ENGINE", (sys.executable, "-c", ENGINE))
    (folder / "node" / "log").mkdir(parents=True)
    file = folder / "node" / "pid" / "netpol.pid"
    with run_process(f"{folder}/node/netpol.py") as engine:
        create_remains(folder, os.getpid())
        file.write_text(f"{engine.pid}\n")
        LocalNode().enforce_policies(EgressFilter.AFTER_DNAT)
        assert engine.wait(timeout=10) != 0
    first = int(file.read_text())
    try:
        LocalNode().enforce_policies(EgressFilter.BEFORE_DNAT)
        assert not local_node._belongs_to(folder / "node", str(first))
        log = (folder / "node" / "log" / "netpol-before-dnat.log").read_text()
        assert log == f"applied {folder}/node/admin.kubeconfig before-dnat 10.1.0.0/24\n"
    finally:
        os.kill(int(file.read_text()), signal.SIGKILL)


def test_a_process_with_the_id_of_the_program_for_network_policies_is_not_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_node, "ENGINE", (sys.executable, "-c", "print('applied')"))
    (folder / "node" / "log").mkdir(parents=True)
    with run_process() as other:
        create_remains(folder, os.getpid())
        (folder / "node" / "pid" / "netpol.pid").write_text(f"{other.pid}\n")
        LocalNode().enforce_policies(EgressFilter.AFTER_DNAT)
        assert other.poll() is None
