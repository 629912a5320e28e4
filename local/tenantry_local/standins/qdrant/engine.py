"""Thread-safe wrapper of qdrant-client's local engine, which also stores indexes and HNSW settings."""

import json
import re
import threading
import warnings
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from qdrant_client import models
from qdrant_client.local import qdrant_local
from qdrant_client.local.qdrant_local import QdrantLocal

from .collection import IndexedCollection

__all__ = ["AlreadyExists", "BadRequest", "Engine", "NotFound"]

# The engine has no parameter for the class of its collections, so the class is replaced in its module.
qdrant_local.LocalCollection = IndexedCollection  # type: ignore[attr-defined]

# The engine warns that it is no server; `tenantry status` already shows that it is a stand-in.
warnings.filterwarnings("ignore", message="Local mode")

_SERVER_PARAMS = {
    "shard_number": 1,
    "replication_factor": 1,
    "write_consistency_factor": 1,
    "on_disk_payload": True,
}
"""Parameters that a single server reports for a collection created without them."""


class NotFound(Exception):
    """The collection or the point does not exist."""


class AlreadyExists(Exception):
    """The collection exists already."""


class BadRequest(Exception):
    """The request does not fit the collection."""


class Engine:
    """Collections of the stand-in, stored in one folder.

    Parameters
    ----------
    folder
        Data folder; no other process may use it.

    Raises
    ------
    RuntimeError
        Another process uses the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._local = QdrantLocal(str(folder), force_disable_check_same_thread=True)
        self._lock = threading.Lock()
        self._extras_file = folder / "front.json"
        self._extras = self._load()

    def list_names(self) -> list[str]:
        """Return the names of all collections."""
        with self._lock:
            return sorted(self._local.collections)

    def create(self, name: str, request: models.CreateCollection) -> bool:
        """Create a collection.

        Raises
        ------
        AlreadyExists
            A collection of that name exists.
        BadRequest
            The name or the vectors are invalid.
        """
        with self._lock:
            if name in self._local.collections:
                raise AlreadyExists(f"Wrong input: Collection `{name}` already exists!")
            # Saved first, so that a collection always has its settings, even after a crash.
            self._extras[name] = {"hnsw": _to_plain(request.hnsw_config), "indexes": {}}
            self._save()
            return bool(
                _call_engine(
                    self._local.create_collection,
                    name,
                    vectors_config=request.vectors,
                    sparse_vectors_config=request.sparse_vectors,
                    metadata=request.metadata,
                )
            )

    def update(self, name: str, request: models.UpdateCollection) -> bool:
        """Update a collection's HNSW settings, sparse vectors or metadata."""
        with self._lock:
            self._get_collection(name)
            _call_engine(
                self._local.update_collection,
                name,
                sparse_vectors_config=request.sparse_vectors,
                metadata=request.metadata,
                vectors_config=request.vectors,
            )
            self._extras[name]["hnsw"] |= _to_plain(request.hnsw_config)
            self._save()
            return True

    def delete(self, name: str) -> bool:
        """Delete a collection; return True if it existed."""
        with self._lock:
            if name not in self._local.collections:
                return False
            self._local.collections[name].close()
            self._local.delete_collection(name)
            del self._extras[name]
            self._save()
            return True

    def describe(self, name: str) -> dict[str, Any]:
        """Return the description of a collection in the server's format."""
        with self._lock:
            collection = self._get_collection(name)
            info = collection.info().model_dump(mode="json", exclude_none=True)
            extras, points = self._extras[name], collection.count_indexed_points()
        info["config"]["hnsw_config"] |= extras["hnsw"]
        info["config"]["params"] = _SERVER_PARAMS | info["config"]["params"]
        info["payload_schema"] = {
            field: index | {"points": points[field]} for field, index in extras["indexes"].items()
        }
        return info

    def create_index(self, name: str, request: models.CreateFieldIndex) -> None:
        """Index a field of the payload; rebuild an existing index."""
        schema = request.field_schema or models.PayloadSchemaType.KEYWORD
        index: dict[str, Any] = {"data_type": schema if isinstance(schema, str) else schema.type}
        if not isinstance(schema, str):
            index["params"] = _to_plain(schema)
        with self._lock:
            self._get_collection(name).create_payload_index(request.field_name, schema)
            self._extras[name]["indexes"][request.field_name] = index
            self._save()

    def delete_index(self, name: str, field: str) -> None:
        """Delete a payload index, if it exists."""
        with self._lock:
            self._get_collection(name).delete_payload_index(field)
            self._extras[name]["indexes"].pop(field, None)
            self._save()

    def count_facet(self, name: str, request: models.FacetRequest) -> Any:
        """Count the values of an indexed field.

        Raises
        ------
        BadRequest
            The field is not indexed.
        """
        with self._lock:
            self._get_collection(name)
            if request.key not in self._extras[name]["indexes"]:
                raise BadRequest(
                    f'Bad request: Index required but not found for "{request.key}" of one of the following '
                    "types: [keyword]. Help: Create an index for this key or use a different filter."
                )
            return _call_engine(
                self._local.facet,
                name,
                key=request.key,
                facet_filter=request.filter,
                limit=request.limit or 10,
            )

    def call(self, name: str, method: str, **arguments: Any) -> Any:
        """Call a method of the local engine on the points of one collection.

        Raises
        ------
        NotFound
            There is no such collection, or no such point.
        BadRequest
            The arguments are invalid.
        """
        with self._lock:
            self._get_collection(name)
            return _call_engine(getattr(self._local, method), name, **arguments)

    def close(self) -> None:
        """Close the engine and release the folder."""
        with self._lock:
            self._local.close()

    def _get_collection(self, name: str) -> IndexedCollection:
        collection = self._local.collections.get(name)
        if collection is None:
            raise NotFound(f"Not found: Collection `{name}` doesn't exist!")
        assert isinstance(collection, IndexedCollection)  # noqa: S101 (the class is set above)
        return collection

    def _load(self) -> dict[str, dict[str, Any]]:
        """Return the stored settings of the existing collections, and rebuild their indexes."""
        known = json.loads(self._extras_file.read_text()) if self._extras_file.exists() else {}
        extras = {name: known.get(name, {"hnsw": {}, "indexes": {}}) for name in self._local.collections}
        for name, extra in extras.items():
            for field in extra["indexes"]:
                self._get_collection(name).create_payload_index(field, extra["indexes"][field]["data_type"])
        return extras

    def _save(self) -> None:
        temporary = self._extras_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._extras))
        temporary.replace(self._extras_file)


def _to_plain(model: BaseModel | None) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_none=True) if model else {}


def _call_engine(method: Any, name: str, **arguments: Any) -> Any:
    """Call the engine; convert its errors to those of Qdrant's server."""
    try:
        return method(name, **arguments)
    except KeyError as exc:
        raise NotFound(f"Not found: No point with id {exc.args[0]} found") from exc
    except ValueError as exc:
        message = str(exc).removeprefix("Wrong input: ")
        unnamed = re.sub(r" for vector '.*'$", "", message)
        unknown = re.sub(
            r"^\w+ vector (.*) is not found in the collection$",
            r"Not existing vector name error: \1",
            unnamed,
        )
        raise BadRequest(f"Wrong input: {unknown}") from exc
