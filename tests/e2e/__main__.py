"""``python -m tests.e2e rig|kind [pytest's own arguments]``: a cluster, the images in it, then the tests."""

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

from .images import OFFICIAL, OURS, STANDINS, Image
from .kind import Kind
from .rig import Rig


class Provider(Protocol):
    """Where a cluster comes from."""

    @property
    def missing(self) -> str: ...
    @property
    def kubeconfig(self) -> Path: ...
    def up(self) -> AbstractContextManager[None]: ...
    def load(self, image: Image) -> str: ...


def main(name: str, *arguments: str) -> int:
    """Run the tests; return the exit code, which is pytest's."""
    provider, images = _provider(name)
    if provider.missing:
        print(f"The tests on a cluster are not run here: {provider.missing}.")
        return 1
    with provider.up(), tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({image.name: _loaded(provider, image) for image in images}, file)
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


def _provider(name: str) -> tuple[Provider, tuple[Image, ...]]:
    if name == "kind":
        return Kind(), (*OURS, *STANDINS)
    return Rig(), (*OURS, *STANDINS, *OFFICIAL)


def _loaded(provider: Provider, image: Image) -> str:
    began = time.monotonic()
    name = provider.load(image)
    print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
    return name


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)  # As Ctrl-C: a cluster that was brought up is taken away.
    sys.exit(main(*sys.argv[1:]))
