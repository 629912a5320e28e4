"""Snapshots of the Qdrant stand-in: tar archives with the settings and the points of a collection.

The content of the archive differs from Qdrant's, so each can only read its own snapshots.
"""

import hashlib
import io
import json
import tarfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from qdrant_client import models

from .engine import BadRequest, Engine, NotFound

__all__ = ["Snapshots"]

PEER_ID = 1
SETTINGS, POINTS = "config.json", "points.jsonl"
PAGE_SIZE = 1000


class Snapshots:
    """Snapshots of collections, stored in one folder.

    Parameters
    ----------
    engine
        Engine with the collections.
    folder
        Folder of the snapshots.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder

    def create(self, name: str) -> dict[str, Any]:
        """Create a snapshot of a collection and return its description."""
        settings = self._engine.describe(name)
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        file = self._find_free_name(folder, f"{name}-{PEER_ID}-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}")
        temporary = file.with_suffix(".tmp")
        with tarfile.open(temporary, "w") as archive:
            _add(archive, SETTINGS, json.dumps(settings).encode())
            _add(archive, POINTS, "".join(self._dump_points(name)).encode())
        temporary.replace(file)
        return _describe(file)

    def list_all(self, name: str) -> list[dict[str, Any]]:
        """Return the descriptions of a collection's snapshots."""
        self._engine.describe(name)
        return [_describe(file) for file in sorted((self._folder / name).glob("*.snapshot"))]

    def find(self, name: str, snapshot: str) -> Path:
        """Return the file of a snapshot."""
        self._engine.describe(name)
        file = self._folder / name / snapshot
        if file.parent != self._folder / name or not file.is_file():
            raise NotFound(f"Not found: Snapshot {snapshot} not found")
        return file

    def restore(self, name: str, content: BinaryIO, checksum: str | None) -> None:
        """Replace a collection by the content of a snapshot; create it if it does not exist."""
        if checksum and (found := _calculate_checksum(content)) != checksum:
            raise BadRequest(f"Wrong input: Snapshot checksum mismatch: expected {checksum}, got {found}")
        content.seek(0)
        try:
            with tarfile.open(fileobj=content) as archive:
                settings, points = (archive.extractfile(member) for member in (SETTINGS, POINTS))
                if not settings or not points:
                    raise KeyError(name)  # noqa: TRY301 (a folder instead of a file)
                described, lines = json.loads(settings.read()), points.read().splitlines()
        except (tarfile.TarError, KeyError) as exc:
            raise BadRequest(f"Bad request: failed to unpack snapshot archive: {exc}") from exc
        self._engine.delete(name)
        self._create_collection(name, described)
        for start in range(0, len(lines), PAGE_SIZE):
            page = [models.PointStruct(**json.loads(line)) for line in lines[start : start + PAGE_SIZE]]
            self._engine.call(name, "upsert", points=page)

    def _create_collection(self, name: str, described: dict[str, Any]) -> None:
        config = described["config"]
        request = {
            "vectors": config["params"]["vectors"],
            "sparse_vectors": config["params"].get("sparse_vectors"),
            "hnsw_config": config["hnsw_config"],
            "metadata": config.get("metadata"),
        }
        self._engine.create(name, models.CreateCollection(**request))
        for field, index in described["payload_schema"].items():
            schema = index.get("params") or index["data_type"]
            self._engine.create_index(name, models.CreateFieldIndex(field_name=field, field_schema=schema))

    def _dump_points(self, name: str) -> list[str]:
        lines: list[str] = []
        offset = None
        while True:
            page, offset = self._engine.call(
                name, "scroll", limit=PAGE_SIZE, offset=offset, with_payload=True, with_vectors=True
            )
            for point in page:
                fields = point.model_dump(mode="json", include={"id", "payload", "vector"})
                lines.append(json.dumps(fields) + "\n")
            if offset is None:
                return lines

    @staticmethod
    def _find_free_name(folder: Path, stem: str) -> Path:
        names = (f"{stem}{f'-{number}' if number else ''}.snapshot" for number in count())
        return next(file for file in map(folder.joinpath, names) if not file.exists())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _calculate_checksum(content: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := content.read(1024**2):
        digest.update(piece)
    return digest.hexdigest()


def _describe(file: Path) -> dict[str, Any]:
    with file.open("rb") as content:
        checksum = _calculate_checksum(content)
    created = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return {
        "name": file.name,
        "creation_time": f"{created:%Y-%m-%dT%H:%M:%S}",
        "size": file.stat().st_size,
        "checksum": checksum,
    }
