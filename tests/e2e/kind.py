"""A cluster of kind, which needs Docker. Our images and the stand-ins are built, the others are pulled."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenantry_local.context import REPOSITORY

from .images import Image

__all__ = ["Kind"]

NAME = "tenantry"
CONFIG = Path(__file__).parent / "kind.yaml"


class Kind:
    """The cluster."""

    @property
    def missing(self) -> str:
        """Why it cannot be used here; nothing when it can."""
        for program in ("docker", "kind"):
            if not shutil.which(program):
                return f"{program} is not on the PATH"
        running = subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
        return "" if running else "Docker is not running (`docker info` fails)"

    @property
    def kubeconfig(self) -> Path:
        """Where to find it: a file of its own, so that nobody's current context is changed."""
        return REPOSITORY / "build" / "kind.kubeconfig"

    @contextmanager
    def up(self) -> Iterator[None]:
        """Make it if it is not there, and leave it up: it is what people look at next."""
        self.kubeconfig.parent.mkdir(exist_ok=True)
        there = _said("kind", "get", "clusters").split()
        if NAME in there:
            _run("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(self.kubeconfig))
        else:
            _run(
                "kind", "create", "cluster", "--name", NAME, "--config", str(CONFIG), "--wait", "120s",
                "--kubeconfig", str(self.kubeconfig),
            )  # fmt: skip
        yield

    def load(self, image: Image) -> str:
        """Build an image and put it into the cluster; return its name there."""
        name = f"tenantry/{image.name}:{image.digest}"
        with image.context() as context:
            target = ["--target", image.target] if image.target else []
            _run("docker", "build", "--quiet", "--tag", name, *target, str(context))
        _run("kind", "load", "docker-image", name, "--name", NAME)
        return name


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def _said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
