"""uv, which installs packages of Python into folders of their own."""

import shutil
import sys
from pathlib import Path

from ..processes import LocalError

__all__ = ["ENVIRONMENT", "find_uv"]

ENVIRONMENT = {"UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1", "UV_NO_PROGRESS": "1"}


def find_uv() -> str:
    """Return the uv that has installed our own packages.

    Raises
    ------
    LocalError
        There is none.
    """
    ours = Path(sys.prefix) / "uv" / "bin" / "uv"
    found = str(ours) if ours.exists() else shutil.which("uv")
    if not found:
        raise LocalError("uv is not installed; `make up` installs it")
    return found
