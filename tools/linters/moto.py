"""moto, an emulator of AWS that has CodePipeline, in a separate environment as checkov."""

from collections.abc import Callable
from pathlib import Path

from .python_program import install_program

__all__ = ["install"]


def install(report: Callable[[str], None]) -> Path:
    """Return the program of its server; install it if the cache lacks it.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """
    return install_program("moto", "moto_server", report)
