"""promtool, which checks and plays Prometheus' rules: built from its Go module.

The module brings the hashes of all that it needs (go.sum), and its own hash is pinned here. Of the systems
whose targets Prometheus can discover few are built in, which saves much of the time.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from ..part import program
from ..processes import LocalError
from .cached import folder_of, installed, run

__all__ = ["install"]

MODULE = "github.com/prometheus/prometheus@v0.316.0"
HASH = "h1:f1GRFerhTMKQma+awCoC9T820ecWeGSdF+xAlMHzZzM="

ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


def install(report: Callable[[str], None]) -> Path:
    """Return the program ``promtool``, built when it is not.

    Raises
    ------
    LocalError
        It cannot be built, or the module is not the one that is pinned.
    """

    def fill(folder: Path) -> None:
        argv = [
            program("go"), "build", "-C", _source(), "-trimpath", "-tags", "remove_all_sd",
            "-ldflags", "-s -w", "-o", str(folder / "promtool"), "./cmd/promtool",
        ]  # fmt: skip
        run(argv, folder=folder, env=ENVIRONMENT, report=report, doing="building promtool")

    return installed(folder_of("promtool", HASH.encode()), fill) / "promtool"


def _source() -> str:
    """Return the folder of Go's cache that has the module."""
    argv = [program("go"), "mod", "download", "-json", MODULE]
    done = subprocess.run(
        argv, env={**os.environ, **ENVIRONMENT}, cwd="/", capture_output=True, text=True, check=False
    )
    said = json.loads(done.stdout or "{}")
    if done.returncode:
        raise LocalError(f"{MODULE} cannot be fetched: {said.get('Error', done.stderr)}")
    if said["Sum"] != HASH:
        raise LocalError(f"{MODULE} is another than the one that was pinned: {said['Sum']}")
    return str(said["Dir"])
