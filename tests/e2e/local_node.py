"""Real single-node Kubernetes without Docker, from ``../shared/cluster`` next to the checkout.

A running node is used and kept.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenantry_local.build import ensure_control_plane, lock_folder
from tenantry_local.context import CACHE, REPOSITORY

from tests.support.backends.cluster import wait_until_true
from tests.support.network.policies import EgressFilter

from .images import Image

__all__ = ["LocalNode"]

FOLDER = REPOSITORY.parent / "shared" / "cluster"

BASE = "localhost/base/python:3.11"
"""Name of the base image that ``image.sh`` builds in place of the public one."""

ARCHIVES = CACHE / "e2e-images"
"""Archives of loaded images, because a stopped cluster deletes its images."""

ENGINE = (sys.executable, "-m", "tests.e2e.network_policies")
"""The program that enforces network policies."""


class LocalNode:
    """A single-node cluster."""

    @property
    def missing(self) -> str:
        """Return the reason why the node cannot be used here, or an empty string."""
        if not FOLDER.exists():
            return "../shared/cluster is not next to this checkout"
        return "" if os.geteuid() == 0 else "only root can start a node"

    @property
    def kubeconfig(self) -> Path:
        """Return the path of the kubeconfig."""
        return Path(_capture('printf %s "$KUBECONFIG"'))

    @contextmanager
    def run(self) -> Iterator[None]:
        """Start the node unless it runs; at the end, stop the node if it was started here."""
        if self.kubeconfig.exists() and not _run("kubectl get --raw=/readyz", check=False):
            yield
            return
        _build()
        _remove_dead_node()
        try:
            _run("./up.sh")
            yield
        finally:
            _run("./down.sh")

    def enforce_policies(self, egress_filter: EgressFilter) -> None:
        """Replace the program that enforces network policies; ``down.sh`` stops it with the node."""
        node = Path(_capture('printf %s "$D"'))
        file, log = node / "pid" / "netpol.pid", node / "log" / f"netpol-{egress_filter}.log"
        if file.exists():
            _stop_process(node, file.read_text().strip())
        log.write_text("")
        engine = shlex.join([*ENGINE, egress_filter])
        _run(f"cd {REPOSITORY}; {engine} $PODNET >{log} 2>&1 & echo $! >{file}")
        wait_until_true(lambda: "applied" in log.read_text(), f"{log} has rules", seconds=60)

    def load(self, image: Image) -> str:
        """Load an image into the cluster, building it if needed, and return its reference."""
        name = f"registry.local/tenantry/{image.name}:{image.digest}"
        if name in _capture("$CTR images ls -q").split():
            return name
        archive = ARCHIVES / f"{image.name}-{image.digest}.tar"
        with lock_folder(ARCHIVES / image.name):
            if archive.exists():
                _run(f"$CTR images import {archive}")
            else:
                self._build(image, name, archive)
        return name

    def _build(self, image: Image, name: str, archive: Path) -> None:
        target = f"--target {image.target}" if image.target else ""
        with image.create_context() as context:
            # Cache layers, so that stages shared by several images are built once.
            _run(f"BUILDAH_LAYERS=true ./image.sh {name} {context} --build-arg BASE={BASE} {target}")
        for old in ARCHIVES.glob(f"{image.name}-*.tar"):
            old.unlink()
        _run(f"$CTR images export {archive}.new {name}")
        Path(f"{archive}.new").rename(archive)


def _build() -> None:
    """Build the node's programs once. Two are copied from the local platform; Go has most others cached."""
    programs = Path(_capture('printf %s "$B"'))
    programs.mkdir(parents=True, exist_ok=True)
    built = ensure_control_plane(lambda _: None)
    for name in ("kube-apiserver", "kube-controller-manager"):
        if not (programs / name).exists():
            shutil.copy(built / name, programs)
    _run("GOFLAGS='-trimpath -buildvcs=false' src/build.sh")


def _remove_dead_node() -> None:
    """Remove the remains of a node that was killed.

    Exits with a message if one of its processes is alive, because another user may be starting the node.
    """
    node = Path(_capture('printf %s "$D"'))
    if not node.exists():
        return
    pids = list(node.glob("pid/*.pid"))
    if any(_belongs_to(node, pid.read_text().strip()) for pid in pids):
        sys.exit(f"{node} is a live node that does not answer. If it is not needed, run {FOLDER}/down.sh")
    print(f"Removing {node}, which a dead node left behind", flush=True)
    for pid in pids:
        pid.unlink()  # ``down.sh`` would stop other processes that now have these ids
    _run("./down.sh")


def _belongs_to(node: Path, pid: str) -> bool:
    """Return True if a process is alive and its arguments or environment contain the node's folder."""
    try:
        texts = [Path("/proc", pid, name).read_bytes() for name in ("cmdline", "environ")]
    except OSError:
        return False
    return any(f"{node}/".encode() in text for text in texts)


def _stop_process(node: Path, pid: str) -> None:
    """Stop a process of the node and wait until it has ended."""
    if _belongs_to(node, pid):
        os.kill(int(pid), signal.SIGTERM)
        wait_until_true(lambda: not _belongs_to(node, pid), f"process {pid} has ended", seconds=10)


def _run(command: str, *, check: bool = True) -> int:
    """Run a command in the node's folder with the node's variables; return the exit code."""
    return subprocess.run(["bash", "-c", f". ./env.sh; {command}"], cwd=FOLDER, check=check).returncode


def _capture(command: str) -> str:
    argv = ["bash", "-c", f". ./env.sh; {command}"]
    return subprocess.run(argv, cwd=FOLDER, check=True, capture_output=True, text=True).stdout
