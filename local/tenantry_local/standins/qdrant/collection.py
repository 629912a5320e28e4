"""The local engine's collection, made fit to be a server's: payload indexes, and cheap commits.

The engine looks at every point's payload, in Python, for every filtered call: 50 ms at 5,000 points. Here an
indexed field first names the few points that can match, and only those are looked at. What matches is still
for the engine's own filter to say; an index only ever leaves out what cannot.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models
from qdrant_client.local.local_collection import LocalCollection
from qdrant_client.local.payload_filters import check_filter, validate_filter
from qdrant_client.local.payload_value_extractor import value_by_key
from typing_extensions import override

__all__ = ["IndexedCollection"]


class FieldIndex:
    """Which points have which texts in one field of their payload.

    Parameters
    ----------
    field
        The field's name, or a path to it.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._points: dict[str, set[int]] = {}
        self._values: dict[int, list[Any]] = {}

    def __len__(self) -> int:
        """Return how many points have the field."""
        return len(self._values)

    def put(self, place: int, payload: Mapping[str, Any]) -> None:
        """Take a point in, or anew. ``place`` is the engine's own number of it."""
        self.drop(place)
        values = [value for value in value_by_key(dict(payload), self._field) or [] if value is not None]
        if values:
            self._values[place] = values
        for text in _texts(values):
            self._points.setdefault(text, set()).add(place)

    def drop(self, place: int) -> None:
        """Forget a point."""
        for text in _texts(self._values.pop(place, [])):
            self._points[text].discard(place)

    def find(self, texts: Iterable[str]) -> set[int]:
        """Return the points that have one of these texts."""
        return set().union(*(self._points.get(text, ()) for text in texts))


class IndexedCollection(LocalCollection):
    """A collection with payload indexes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._indexes: dict[str, FieldIndex] = {}
        super().__init__(*args, **kwargs)
        if self.storage is not None:
            # It commits point by point, at an fsync each otherwise. Nothing is lost when this process is
            # killed; when the machine is, the last moments are, and what is left is whole.
            self.storage.storage.execute("PRAGMA journal_mode = WAL")
            self.storage.storage.execute("PRAGMA synchronous = NORMAL")

    @override
    def load_vectors(self) -> None:
        super().load_vectors()
        # From disk they come with twice the width that they were stored from, and twice the time to search.
        self.vectors = {name: vectors.astype(np.float32) for name, vectors in self.vectors.items()}

    @override
    def create_payload_index(self, field_name: str, field_schema: Any) -> None:
        super().create_payload_index(field_name, field_schema)
        index = self._indexes[field_name] = FieldIndex(field_name)
        for place, payload in enumerate(self.payload):
            if not self.deleted[place]:
                index.put(place, payload)

    @override
    def delete_payload_index(self, field_name: str) -> None:
        super().delete_payload_index(field_name)
        self._indexes.pop(field_name, None)

    def indexed_points(self) -> dict[str, int]:
        """Return for each indexed field how many points have it."""
        return {field: len(index) for field, index in self._indexes.items()}

    @override
    def set_payload(self, payload: Any, selector: Any, key: str | None = None) -> None:
        ids = self._selector_to_ids(selector)  # now: afterwards a filter may select others
        super().set_payload(payload, ids, key)
        for point_id in ids:
            self._reindex(self.ids[point_id])

    @override
    def _add_point(self, point: models.PointStruct) -> None:
        super()._add_point(point)
        self._reindex(len(self.payload) - 1)

    @override
    def _update_point(self, point: models.PointStruct) -> None:
        super()._update_point(point)
        self._reindex(self.ids[point.id])

    @override
    def _delete_ids(self, ids: Sequence[Any]) -> None:
        super()._delete_ids(list(ids))
        for place in {self.ids[point_id] for point_id in ids if point_id in self.ids}:
            for index in self._indexes.values():
                index.drop(place)
            for vectors in self.sparse_vectors.values():
                # The engine scores every place there ever was, in Python, before it looks at who is deleted.
                vectors[place] = models.SparseVector(indices=[], values=[])

    def _reindex(self, place: int) -> None:
        for index in self._indexes.values():
            index.put(place, self.payload[place])

    @override
    def search(self, query_vector: Any, *args: Any, **kwargs: Any) -> Any:
        name, vector = self._resolve_query_vector_name(query_vector)
        params = self.vectors_config.get(name)
        if params and isinstance(vector, np.ndarray) and vector.shape != (params.size,):
            raise ValueError(f"Vector dimension error: expected dim: {params.size}, got {vector.shape[-1]}")
        return super().search(query_vector, *args, **kwargs)

    @override
    def _payload_and_non_deleted_mask(
        self, payload_filter: models.Filter | None, vector_name: str | None = None
    ) -> NDArray[np.bool_]:
        places = self._candidates(payload_filter)
        if payload_filter is None or places is None:
            everything: NDArray[np.bool_] = super()._payload_and_non_deleted_mask(payload_filter, vector_name)
            return everything
        validate_filter(payload_filter)
        mask = np.zeros(len(self.payload), dtype=np.bool_)
        for place in places:  # none of them is deleted: the index forgets those
            vectors = self._calculate_has_vector(place)
            mask[place] = check_filter(payload_filter, self.payload[place], self.ids_inv[place], vectors)
        if vector_name is not None:
            mask &= ~self.deleted_per_vector[vector_name].astype(np.bool_)
        return mask

    def _candidates(self, payload_filter: models.Filter | None) -> set[int] | None:
        """Return the fewest points that an index leaves to look at; None when no index helps."""
        must = payload_filter.must if payload_filter else None
        conditions = must if isinstance(must, list) else [must]
        found = [
            self._indexes[condition.key].find(texts)
            for condition in conditions
            if isinstance(condition, models.FieldCondition) and condition.key in self._indexes
            if (texts := _wanted(condition.match)) is not None
        ]
        return min(found, key=len, default=None)


def _wanted(match: Any) -> list[str] | None:
    """Return the texts one of which a field must have; None when the match asks for something else."""
    if isinstance(match, models.MatchValue) and isinstance(match.value, str):
        return [match.value]
    if isinstance(match, models.MatchAny):
        texts = _texts(match.any)
        return texts if len(texts) == len(match.any) else None
    return None


def _texts(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
