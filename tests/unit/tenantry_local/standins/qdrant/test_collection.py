"""Tests of payload indexes: an indexed collection returns the same points as the engine."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models
from qdrant_client.local.local_collection import LocalCollection
from tenantry_local.standins.qdrant.collection import IndexedCollection

TENANTS = ("a", "b", "c")
VALUES = st.one_of(
    st.sampled_from(TENANTS), st.none(), st.integers(0, 1), st.lists(st.sampled_from(TENANTS), max_size=2)
)
PAYLOADS = st.fixed_dictionaries({}, optional={"tenantId": VALUES, "documentId": VALUES})
WRITES = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), st.integers(0, 5), PAYLOADS),
        st.tuples(st.just("delete"), st.integers(0, 5), st.none()),
        st.tuples(st.just("set_payload"), st.integers(0, 5), PAYLOADS),
    ),
    max_size=25,
)


def make_condition(key: str, match: Any) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=match)


FILTERS = [
    None,
    models.Filter(must=[make_condition("tenantId", models.MatchValue(value="a"))]),
    models.Filter(must=make_condition("tenantId", models.MatchValue(value="a"))),
    models.Filter(must=[make_condition("tenantId", models.MatchValue(value=1))]),
    models.Filter(must=[make_condition("tenantId", models.MatchAny(any=["a", "b"]))]),
    models.Filter(must=[make_condition("tenantId", models.MatchExcept(**{"except": ["a"]}))]),
    models.Filter(must_not=[make_condition("tenantId", models.MatchValue(value="a"))]),
    models.Filter(should=[make_condition("tenantId", models.MatchValue(value="a"))]),
    models.Filter(
        must=[
            make_condition("tenantId", models.MatchValue(value="a")),
            make_condition("documentId", models.MatchValue(value="b")),
        ],
        must_not=[models.HasIdCondition(has_id=[2])],
    ),
]


def make_collections() -> tuple[LocalCollection, IndexedCollection]:
    config = models.CreateCollection(
        vectors=models.VectorParams(size=2, distance=models.Distance.DOT),
        sparse_vectors={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    indexed = IndexedCollection(config)
    for name in ("tenantId", "documentId"):
        indexed.create_payload_index(name, models.PayloadSchemaType.KEYWORD)
    return LocalCollection(config), indexed


def write(collection: LocalCollection, verb: str, number: int, payload: Any) -> None:
    match verb:
        case "upsert":
            words = models.SparseVector(indices=[0, number + 1], values=[1, 1 + len(payload)])
            vector = {"": [1, number], "words": words}
            collection.upsert([models.PointStruct(id=number, vector=vector, payload=payload)])
        case "delete":
            collection.delete([number])
        case "set_payload" if collection.count(
            models.Filter(must=[models.HasIdCondition(has_id=[number])])
        ).count:
            collection.set_payload(payload, [number])


@settings(max_examples=150, deadline=None)
@given(WRITES)
def test_an_indexed_collection_returns_the_same_points_as_the_engine(
    writes: list[tuple[str, int, Any]],
) -> None:
    plain, indexed = make_collections()
    for verb, number, payload in writes:
        write(plain, verb, number, payload)
        write(indexed, verb, number, payload)
    for wanted in FILTERS:
        ids = [[record.id for record in each.scroll(wanted, limit=50)[0]] for each in (plain, indexed)]
        assert ids[0] == ids[1]
        for query in ([1.0, 1.0], ("words", models.SparseVector(indices=[0, 3], values=[1, 1]))):
            scores = [
                {point.id: point.score for point in each.search(query, query_filter=wanted)}
                for each in (plain, indexed)
            ]
            assert scores[0] == scores[1]


def test_only_points_of_the_index_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    _, indexed = make_collections()
    indexed.upsert(
        [
            models.PointStruct(id=number, vector=[1, 0], payload={"tenantId": random.choice("bc")})
            for number in range(200)
        ]
    )
    indexed.upsert([models.PointStruct(id=999, vector=[1, 0], payload={"tenantId": "a"})])
    checked: list[Any] = []

    def record_check(_: object, payload: object, *__: object) -> bool:
        checked.append(payload)
        return True

    monkeypatch.setattr("tenantry_local.standins.qdrant.collection.check_filter", record_check)
    assert indexed.count(FILTERS[1]).count == 1
    assert checked == [{"tenantId": "a"}]


def test_a_search_skips_sparse_vectors_of_deleted_points(monkeypatch: pytest.MonkeyPatch) -> None:
    _, indexed = make_collections()
    for number in range(3):
        write(indexed, "upsert", number, {})
    indexed.delete([0, 1])
    read: list[models.SparseVector] = []

    def score(_: object, vectors: list[models.SparseVector], **__: object) -> Any:
        read.extend(vectors)
        return np.zeros(len(vectors))

    monkeypatch.setattr("qdrant_client.local.local_collection.calculate_distance_sparse", score)
    indexed.search(("words", models.SparseVector(indices=[0], values=[1])))
    assert [vector.indices for vector in read] == [[], [], [0, 3]]


def test_an_index_counts_the_points_with_its_field() -> None:
    _, indexed = make_collections()
    write(indexed, "upsert", 1, {"tenantId": "a"})
    write(indexed, "upsert", 2, {"tenantId": ["a", "b"], "documentId": None})
    write(indexed, "upsert", 3, {})
    assert indexed.count_indexed_points() == {"tenantId": 2, "documentId": 0}
    write(indexed, "delete", 2, None)
    assert indexed.count_indexed_points() == {"tenantId": 1, "documentId": 0}
