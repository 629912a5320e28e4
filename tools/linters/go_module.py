"""Programs that are built from their Go modules, once a machine.

A module brings the hashes of all that it needs (go.sum), and its own hash is pinned where it is named.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tenantry_local.part import find_program
from tenantry_local.processes import LocalError
from tenantry_local.programs.cache import cache_folder, ensure_installed, run_logged

__all__ = ["GoProgram"]

ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


@dataclass(frozen=True)
class GoProgram:
    """A program and where it comes from.

    Parameters
    ----------
    name
        Of the program, and of its folder below ``cmd`` in the module.
    module
        The module with its version.
    hash
        What ``go.sum`` would say of it.
    flags
        Further flags of ``go build``.
    """

    name: str
    module: str
    hash: str
    flags: tuple[str, ...] = ()

    def install(self, report: Callable[[str], None]) -> Path:
        """Return the program, built when it is not.

        Raises
        ------
        LocalError
            It cannot be built, or the module is not the one that is pinned.
        """

        def fill(folder: Path) -> None:
            argv = [
                find_program("go"), "build", "-C", self._source(), "-trimpath", *self.flags,
                "-ldflags", "-s -w", "-o", str(folder / self.name), f"./cmd/{self.name}",
            ]  # fmt: skip
            run_logged(argv, folder=folder, env=ENVIRONMENT, report=report, doing=f"building {self.name}")

        return ensure_installed(cache_folder(self.name, self.hash.encode()), fill) / self.name

    def _source(self) -> str:
        """Return the folder of Go's cache that has the module."""
        argv = [find_program("go"), "mod", "download", "-json", self.module]
        done = subprocess.run(
            argv, env={**os.environ, **ENVIRONMENT}, cwd="/", capture_output=True, text=True, check=False
        )
        said = json.loads(done.stdout or "{}")
        if done.returncode:
            raise LocalError(f"{self.module} cannot be fetched: {said.get('Error', done.stderr)}")
        if said["Sum"] != self.hash:
            raise LocalError(f"{self.module} is another than the one that was pinned: {said['Sum']}")
        return str(said["Dir"])
