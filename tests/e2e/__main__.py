"""Command line: ``python -m tests.e2e local_node|kind [pytest arguments]`` tests the chart on a cluster."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from .images import REPLACED_IMAGES, STANDIN_IMAGES, TENANTRY_IMAGES, Image
from .kind import Kind
from .local_node import LocalNode


class ClusterProvider(Protocol):
    """A source of clusters."""

    @property
    def missing(self) -> str: ...
    @property
    def kubeconfig(self) -> Path: ...
    def up(self) -> AbstractContextManager[None]: ...
    def load(self, image: Image) -> str: ...


def main(name: str, *arguments: str) -> int:
    """Run the tests and return pytest's exit code."""
    provider, images = _get_provider(name)
    if provider.missing:
        print(f"Skipping the tests on a cluster: {provider.missing}.")
        return 1
    with provider.up(), tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({image.name: _load(provider, image) for image in images}, file)
        file.flush()
        given = {"KUBECONFIG": str(provider.kubeconfig), "TENANTRY_E2E_IMAGES": file.name}
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-rs",
            "--durations=10",
            str(Path(__file__).parent),
            *arguments,
        ]
        return subprocess.run(argv, env=os.environ | given, check=False).returncode


def _get_provider(name: str) -> tuple[ClusterProvider, tuple[Image, ...]]:
    if name == "kind":
        return Kind(), (*TENANTRY_IMAGES, *STANDIN_IMAGES)
    return LocalNode(), (*TENANTRY_IMAGES, *STANDIN_IMAGES, *REPLACED_IMAGES)


def _load(provider: ClusterProvider, image: Image) -> str:
    began = time.monotonic()
    name = provider.load(image)
    print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
    return name


def _exit(number: int, frame: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _exit)  # as with Ctrl-C, a started cluster is stopped
    sys.exit(main(*sys.argv[1:]))
