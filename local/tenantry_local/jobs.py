"""Runner for the installation jobs, which the chart runs as hooks on EKS."""

import os
import subprocess
from collections.abc import Mapping

from .part import find_program
from .processes import LocalError

__all__ = ["run_job"]

JOB_TIMEOUT_SECONDS = 420.0
"""Time limit of a job. Each job has a shorter limit inside, and reports the reason."""


def run_job(module: str, settings: Mapping[str, str]) -> None:
    """Run ``python -m module`` with settings.

    Raises
    ------
    LocalError
        The job failed or timed out; the message ends with its output.
    """
    basics = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR") if name in os.environ}
    try:
        done = subprocess.run(
            [find_program("python"), "-m", module],
            env={**basics, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=JOB_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise LocalError(f"{module} did not end within {JOB_TIMEOUT_SECONDS:.0f} s") from exc
    if done.returncode:
        raise LocalError(f"{module} failed:\n{(done.stdout + done.stderr)[-2000:]}")
