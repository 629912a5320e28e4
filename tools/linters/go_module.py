"""Build of programs from Go modules, once per machine.

A module contains the hashes of its dependencies (go.sum). Each :class:`GoProgram` pins its module's hash.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tenantry_local.part import find_program
from tenantry_local.processes import LocalError
from tenantry_local.programs.cache import ensure_installed, get_cache_folder, run_logged

__all__ = ["GoProgram", "download_module"]

ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


@dataclass(frozen=True)
class GoProgram:
    """A program and its Go module.

    Parameters
    ----------
    name
        Name of the program and of its folder below ``cmd`` in the module.
    module
        Path of the module with its version.
    hash
        Hash of the module, as in ``go.sum``.
    flags
        Further flags of ``go build``.
    """

    name: str
    module: str
    hash: str
    flags: tuple[str, ...] = ()

    def install(self, report: Callable[[str], None]) -> Path:
        """Return the program; build it if the cache lacks it.

        Raises
        ------
        LocalError
            The build failed, or the module does not have the pinned hash.
        """

        def fill(folder: Path) -> None:
            source = download_module(self.module, self.hash)
            argv = [
                find_program("go"), "build", "-C", str(source), "-trimpath", *self.flags, "-ldflags", "-s -w",
                "-o", str(folder / self.name), f"./cmd/{self.name}",
            ]  # fmt: skip
            run_logged(argv, folder=folder, env=ENVIRONMENT, report=report, doing=f"building {self.name}")

        return ensure_installed(get_cache_folder(self.name, self.hash.encode()), fill) / self.name


def download_module(module: str, expected_hash: str) -> Path:
    """Download a module and return its folder in Go's cache.

    Parameters
    ----------
    module
        Path of the module with its version.
    expected_hash
        Hash of the module, as in ``go.sum``.

    Raises
    ------
    LocalError
        The module cannot be downloaded, or has another hash.
    """
    argv = [find_program("go"), "mod", "download", "-json", module]
    done = subprocess.run(
        argv, env={**os.environ, **ENVIRONMENT}, cwd="/", capture_output=True, text=True, check=False
    )
    downloaded = json.loads(done.stdout or "{}")
    if done.returncode:
        raise LocalError(f"{module} cannot be downloaded: {downloaded.get('Error', done.stderr)}")
    if downloaded["Sum"] != expected_hash:
        raise LocalError(f"{module} does not have the pinned hash but {downloaded['Sum']}")
    return Path(downloaded["Dir"])
