"""What an earlier run left behind: a dead node is taken away, and nobody's living one."""

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.e2e import rig
from tests.e2e.rig import Rig
from tests.support.programs import unrelated_program

SCRIPTS = {
    "env.sh": "D=$PWD/node B=$PWD/bin K=$PWD/bin; export KUBECONFIG=$D/admin.kubeconfig PATH=$PWD/bin:$PATH",
    "up.sh": '. ./env.sh; [ -d "$D" ] && exit 1; mkdir -p "$D/pid"; echo up >>said',
    "down.sh": '. ./env.sh; echo "down $(cd "$D/pid" && ls)" >>said; rm -r "$D"',
    "src/build.sh": "",
    "bin/kubectl": "exit 1",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder like that of the cluster, whose scripts say only that they were called."""
    for name, text in SCRIPTS.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
    for name in ("kube-apiserver", "kube-controller-manager"):
        (tmp_path / "bin" / name).touch()
    monkeypatch.setattr(rig, "FOLDER", tmp_path)
    monkeypatch.setattr(rig, "ensure_control_plane", lambda report: tmp_path / "bin")
    return tmp_path


def process(*told: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run a process that was told something, and does nothing."""
    return unrelated_program(sys.executable, "-c", "import time; time.sleep(60)", *told)


def leave(folder: Path, pid: int) -> None:
    """Leave a node behind, of which a process had a number."""
    (folder / "node" / "pid").mkdir(parents=True)
    (folder / "node" / "pid" / "kubelet.pid").write_text(f"{pid}\n")


def said(folder: Path) -> list[str]:
    return (folder / "said").read_text().splitlines() if (folder / "said").exists() else []


def test_a_node_is_brought_up_and_taken_away(folder: Path) -> None:
    with Rig().up():
        assert said(folder) == ["up"]
    assert said(folder) == ["up", "down "]


def test_a_dead_node_is_taken_away_first(folder: Path) -> None:
    with process() as dead:
        pass
    leave(folder, dead.pid)
    with Rig().up():
        assert said(folder) == ["down ", "up"]


def test_a_process_that_has_a_dead_ones_number_is_not_stopped(folder: Path) -> None:
    with process() as somebody:
        leave(folder, somebody.pid)
        with Rig().up():
            assert said(folder) == ["down ", "up"], "down.sh must not find the number"
        assert somebody.poll() is None


def test_a_node_that_lives_and_does_not_answer_is_left_alone(folder: Path) -> None:
    with process(f"--config={folder}/node/kubelet.yaml") as kubelet:
        leave(folder, kubelet.pid)
        with pytest.raises(SystemExit, match="lives and does not answer"), Rig().up():
            pass
        assert (folder / "node").exists()
        assert not said(folder)


def test_a_node_that_is_up_is_used_and_left_up(folder: Path) -> None:
    leave(folder, os.getpid())
    (folder / "node" / "admin.kubeconfig").touch()
    (folder / "bin" / "kubectl").write_text("#!/bin/sh\n")
    with Rig().up():
        pass
    assert not said(folder)
