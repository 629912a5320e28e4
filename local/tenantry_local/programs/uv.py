"""Search for uv, which installs Python packages into separate folders."""

import shutil
import sys
from pathlib import Path

from ..processes import LocalError

__all__ = ["ENVIRONMENT", "find_uv"]

ENVIRONMENT = {"UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1", "UV_NO_PROGRESS": "1"}


def find_uv() -> str:
    """Return the path of this environment's uv or, failing that, of the one on the PATH.

    Raises
    ------
    LocalError
        uv is not installed.
    """
    bundled = Path(sys.prefix) / "uv" / "bin" / "uv"
    path = str(bundled) if bundled.exists() else shutil.which("uv")
    if not path:
        raise LocalError("uv is not installed; `make up` installs it")
    return path
