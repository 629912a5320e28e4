"""A real one-node Kubernetes without Docker: ``../shared/cluster``, where that is beside the checkout.

One that is up already is used, and left up.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenantry_local.build import ensure_control_plane, lock_folder
from tenantry_local.context import CACHE, REPOSITORY

from .images import Image

__all__ = ["Rig"]

FOLDER = REPOSITORY.parent / "shared" / "cluster"

BASE = "localhost/base/python:3.11"
"""What ``image.sh`` calls the image that it makes for want of the public one."""

ARCHIVES = CACHE / "e2e-images"
"""Images as they were loaded, because a cluster that goes takes its own along."""


class Rig:
    """The cluster."""

    @property
    def missing(self) -> str:
        """Why it cannot be used here; nothing when it can."""
        if not FOLDER.exists():
            return "../shared/cluster is not beside this checkout"
        return "" if os.geteuid() == 0 else "only root can start a node"

    @property
    def kubeconfig(self) -> Path:
        """Where to find it."""
        return Path(_said('printf %s "$KUBECONFIG"'))

    @contextmanager
    def up(self) -> Iterator[None]:
        """Bring it up, and down again if it was not up before."""
        if self.kubeconfig.exists() and not _run("kubectl get --raw=/readyz", check=False):
            yield
            return
        _build()
        _clear()
        try:
            _run("./up.sh")
            yield
        finally:
            _run("./down.sh")

    def load(self, image: Image) -> str:
        """Put an image into the cluster, built when it is not yet; return its name there."""
        name = f"registry.local/tenantry/{image.name}:{image.digest}"
        if name in _said("$CTR images ls -q").split():
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
        with image.context() as context:
            # Stages that several images have in common are kept: without it each would be built for each.
            _run(f"BUILDAH_LAYERS=true ./image.sh {name} {context} --build-arg BASE={BASE} {target}")
        for old in ARCHIVES.glob(f"{image.name}-*.tar"):
            old.unlink()
        _run(f"$CTR images export {archive}.new {name}")
        Path(f"{archive}.new").rename(archive)


def _build() -> None:
    """Build the node's programs, once. Two are the local platform's own; of the rest Go has most already."""
    programs = Path(_said('printf %s "$B"'))
    programs.mkdir(parents=True, exist_ok=True)
    built = ensure_control_plane(lambda _: None)
    for name in ("kube-apiserver", "kube-controller-manager"):
        if not (programs / name).exists():
            shutil.copy(built / name, programs)
    _run("GOFLAGS='-trimpath -buildvcs=false' src/build.sh")


def _clear() -> None:
    """Take away what is left of a node that was killed, or went with its machine.

    Exits with a sentence where a process of it lives: it may be somebody's who is bringing it up.
    """
    node = Path(_said('printf %s "$D"'))
    if not node.exists():
        return
    pids = list(node.glob("pid/*.pid"))
    if any(_is_of(node, pid.read_text().strip()) for pid in pids):
        sys.exit(f"{node} is a node that lives and does not answer. If nobody needs it: {FOLDER}/down.sh")
    print(f"{node} was left behind by a node that is dead: it is taken away", flush=True)
    for pid in pids:
        pid.unlink()  # The numbers may be other processes' by now, which ``down.sh`` would stop.
    _run("./down.sh")


def _is_of(node: Path, pid: str) -> bool:
    """Whether a process lives and is one of the node's: all are told of its folder."""
    try:
        told = [Path("/proc", pid, name).read_bytes() for name in ("cmdline", "environ")]
    except OSError:
        return False
    return any(f"{node}/".encode() in each for each in told)


def _run(command: str, *, check: bool = True) -> int:
    """Run a command in the folder, with its variables; what it prints is only for the eye."""
    return subprocess.run(["bash", "-c", f". ./env.sh; {command}"], cwd=FOLDER, check=check).returncode


def _said(command: str) -> str:
    argv = ["bash", "-c", f". ./env.sh; {command}"]
    return subprocess.run(argv, cwd=FOLDER, check=True, capture_output=True, text=True).stdout
