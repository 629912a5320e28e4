"""checkov, a linter of CloudFormation templates. It pins other versions, so it has a separate environment."""

from collections.abc import Callable
from pathlib import Path

from .python_program import install_program

__all__ = ["install"]


def install(report: Callable[[str], None]) -> Path:
    """Return the program; install it if the cache lacks it.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """
    return install_program("checkov", "checkov", report)
