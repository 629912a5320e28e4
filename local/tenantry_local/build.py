"""Build of the Kubernetes control plane from its Go modules, once per machine.

The cache folder's name is a hash of the pins (go.mod, go.sum) and the build flags. So each set of pins has a
separate folder, and older checkouts keep theirs.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .context import CACHE, REPOSITORY
from .part import find_program
from .processes import LocalError

__all__ = ["ensure_control_plane", "get_version", "lock_folder"]

KUBERNETES_VERSION = "v1.35.4"
ETCD_VERSION = "v3.6.5"

SOURCE = REPOSITORY / "local" / "controlplane"
PACKAGES = ("./etcd", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kube-controller-manager")
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")

_X = "k8s.io/component-base/version"
LDFLAGS = f"-s -w -X {_X}.gitVersion={KUBERNETES_VERSION} -X {_X}.gitMajor=1 -X {_X}.gitMinor=35"
"""Sets the version. Without it the server reports v0.0.0, and clients warn."""


def ensure_control_plane(report: Callable[[str], None]) -> Path:
    """Return the folder with etcd, kube-apiserver and kube-controller-manager.

    ``KUBEBUILDER_ASSETS`` names a folder to use instead. Otherwise the programs are built if the cache lacks
    them, which takes minutes; ``report`` receives the progress.

    Raises
    ------
    LocalError
        The build failed, or ``KUBEBUILDER_ASSETS`` lacks a program.
    """
    if external := _find_external_programs():
        missing = [name for name in PROGRAMS if not (external / name).exists()]
        if missing:
            raise LocalError(f"KUBEBUILDER_ASSETS={external} has no {', '.join(missing)}")
        return external
    pins = b"".join((SOURCE / name).read_bytes() for name in ("go.mod", "go.sum", "etcd/main.go"))
    folder = CACHE / "controlplane" / hashlib.sha256(pins + LDFLAGS.encode()).hexdigest()[:16]
    with lock_folder(folder):
        if not all((folder / name).exists() for name in PROGRAMS):
            _build(folder, report)
    return folder


def get_version(name: str) -> str:
    """Return the version of a control plane program: the pinned one, or the output of an external program."""
    external = _find_external_programs()
    if not external:
        return ETCD_VERSION if name == "etcd" else KUBERNETES_VERSION
    try:
        printed = subprocess.run(
            [external / name, "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    # "Kubernetes v1.35.4", or "etcd Version: 3.6.5" and more lines
    return "v" + printed.splitlines()[0].split()[-1].removeprefix("v")


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder of the cache against other processes that could fill it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _find_external_programs() -> Path | None:
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(folder).resolve() if folder else None


def _build(folder: Path, report: Callable[[str], None]) -> None:
    env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    report("downloading the Go modules")
    deps = _run_go(["list", "-deps", *PACKAGES], env)
    temporary = folder.with_suffix(f".{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        argv = [
            find_program("go"),
            "build",
            "-v",
            "-trimpath",
            "-ldflags",
            LDFLAGS,
            "-o",
            f"{temporary}/",
            *PACKAGES,
        ]
        _run_build(argv, env, total=deps.count("\n"), report=report)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _run_go(arguments: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(
        [find_program("go"), *arguments], cwd=SOURCE, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LocalError(f"go {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _run_build(argv: list[str], env: dict[str, str], *, total: int, report: Callable[[str], None]) -> None:
    """Run ``go build -v`` and report its progress: it prints each package that it compiles."""
    started = time.monotonic()
    last: list[str] = []
    with subprocess.Popen(argv, cwd=SOURCE, env=env, stderr=subprocess.PIPE, text=True) as build:
        assert build.stderr is not None  # noqa: S101 (asked for above)
        for count, line in enumerate(build.stderr, start=1):
            last = [*last[-40:], line]
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            progress = f"{count} of about {total} packages, {minutes}:{seconds:02d}"
            report(f"building from source (once per machine): {progress}")
    if build.returncode:
        raise LocalError("go build failed:\n" + "".join(last))
