"""The local engine behind a lock, with what it forgets (indexes, HNSW settings) kept beside it."""

import json
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdrant_client import QdrantClient, models

if TYPE_CHECKING:
    from qdrant_client.local.qdrant_local import QdrantLocal

__all__ = ["Engine", "NotFound", "Refused"]


class NotFound(Exception):
    """The collection does not exist."""


class Refused(Exception):
    """The request does not fit the collection."""


class Engine:
    """All collections.

    Parameters
    ----------
    folder
        Where they are kept; no other process may use it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._client = QdrantClient(path=str(folder), force_disable_check_same_thread=True)
        self._local: QdrantLocal = self._client._client  # type: ignore[assignment] # noqa: SLF001
        self._extras_file = folder / "front.json"
        self._extras: dict[str, dict[str, Any]] = (
            json.loads(self._extras_file.read_text()) if self._extras_file.exists() else {}
        )
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Return the names of all collections."""
        with self._lock:
            return sorted(self._local.collections)

    def create(self, name: str, request: models.CreateCollection) -> bool:
        """Make a collection.

        Raises
        ------
        Refused
            There is one of that name.
        """
        with self._lock:
            if name in self._local.collections:
                raise Refused(f"Wrong input: Collection `{name}` already exists!")
            self._local.create_collection(
                name, vectors_config=request.vectors, sparse_vectors_config=request.sparse_vectors
            )
            hnsw = request.hnsw_config.model_dump(exclude_none=True) if request.hnsw_config else {}
            self._extras[name] = {"hnsw": hnsw, "indexes": {}}
            self._save()
            return True

    def delete(self, name: str) -> bool:
        """Remove a collection; tell whether there was one."""
        with self._lock:
            there = name in self._local.collections
            if there:
                self._local.delete_collection(name)
            self._extras.pop(name, None)
            self._save()
            return there

    def info(self, name: str) -> dict[str, Any]:
        """Return a collection's description in the server's shape."""
        with self._lock:
            collection = self._collection(name)
            info: dict[str, Any] = collection.info().model_dump(mode="json", exclude_none=True)
            extras = self._extras.get(name, {"hnsw": {}, "indexes": {}})
            info["config"]["hnsw_config"] |= extras["hnsw"]
            info["payload_schema"] = extras["indexes"]
            return info

    def create_index(self, name: str, request: models.CreateFieldIndex) -> None:
        """Remember a payload index; the engine scans, so nothing else has to be done."""
        schema = request.field_schema
        params = schema.model_dump(mode="json", exclude_none=True) if isinstance(schema, _Params) else None
        kind = params["type"] if params else getattr(schema, "value", str(schema))
        with self._lock:
            self._collection(name)
            index = {"data_type": kind, "points": 0} | ({"params": params} if params else {})
            self._extras.setdefault(name, {"hnsw": {}, "indexes": {}})["indexes"][request.field_name] = index
            self._save()

    def delete_index(self, name: str, field: str) -> None:
        """Forget a payload index."""
        with self._lock:
            self._collection(name)
            self._extras[name]["indexes"].pop(field, None)
            self._save()

    def call(self, name: str, method: str, **arguments: Any) -> Any:
        """Call a method of the local engine on one collection.

        Raises
        ------
        NotFound
            There is no such collection.
        Refused
            The arguments do not fit it.
        """
        with self._lock:
            self._collection(name)
            try:
                return getattr(self._local, method)(name, **arguments)
            except (ValueError, AssertionError) as exc:
                raise Refused(f"Wrong input: {str(exc).removeprefix('Wrong input: ')}") from exc

    def close(self) -> None:
        """Let go of the folder."""
        self._client.close()

    def _collection(self, name: str) -> Any:
        if name not in self._local.collections:
            raise NotFound(f"Not found: Collection `{name}` doesn't exist!")
        return self._local.collections[name]

    def _save(self) -> None:
        temporary = self._extras_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._extras))
        temporary.replace(self._extras_file)


_Params = (
    models.KeywordIndexParams,
    models.IntegerIndexParams,
    models.FloatIndexParams,
    models.TextIndexParams,
    models.UuidIndexParams,
    models.BoolIndexParams,
    models.DatetimeIndexParams,
)

# The engine warns at every large collection that it is no server; the platform's table says so already.
warnings.filterwarnings("ignore", message="Local mode is not recommended")
