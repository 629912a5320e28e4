"""Cluster of kind, which needs Docker. Images of Tenantry and the stand-ins are built, others are pulled."""

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
    """A kind cluster."""

    @property
    def missing(self) -> str:
        """Return the reason why kind cannot be used here, or an empty string."""
        for program in ("docker", "kind"):
            if not shutil.which(program):
                return f"{program} is not on the PATH"
        running = subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
        return "" if running else "Docker is not running (`docker info` fails)"

    @property
    def kubeconfig(self) -> Path:
        """Return the path of a separate kubeconfig, so that the user's current context does not change."""
        return REPOSITORY / "build" / "kind.kubeconfig"

    @contextmanager
    def run(self) -> Iterator[None]:
        """Create the cluster if needed and keep it afterwards for inspection."""
        self.kubeconfig.parent.mkdir(exist_ok=True)
        existing = _capture("kind", "get", "clusters").split()
        if NAME in existing:
            _run("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(self.kubeconfig))
        else:
            _run(
                "kind", "create", "cluster", "--name", NAME, "--config", str(CONFIG), "--wait", "120s",
                "--kubeconfig", str(self.kubeconfig),
            )  # fmt: skip
        yield

    def load(self, image: Image) -> str:
        """Build an image, load it into the cluster and return its reference."""
        name = f"tenantry/{image.name}:{image.digest}"
        with image.create_context() as context:
            target = ["--target", image.target] if image.target else []
            _run("docker", "build", "--quiet", "--tag", name, *target, str(context))
        _run("kind", "load", "docker-image", name, "--name", NAME)
        return name


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def _capture(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
