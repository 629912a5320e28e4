"""Tests of the serialisation of embeddings."""

from collections.abc import AsyncIterator, Sequence

import pytest
from gateway.documents.embeddings import hash_text, pack, unpack


async def yield_batches(
    *those: list[tuple[str, Sequence[float]]],
) -> AsyncIterator[list[tuple[str, Sequence[float]]]]:
    for batch in those:
        yield batch


async def test_unpacking_returns_the_embedding_of_each_text() -> None:
    packed = await pack(
        "titan", 2, yield_batches([("one", [1.0, 0.0])], [("two", [0.0, 1.0]), ("\n", [0.5, 0.5])])
    )
    known = unpack("titan", 2, packed)
    assert {key: list(vector) for key, vector in known.items()} == {
        hash_text("one"): [1.0, 0.0],
        hash_text("two"): [0.0, 1.0],
        hash_text("\n"): [0.5, 0.5],
    }


@pytest.mark.parametrize(("model", "dimension"), [("nova", 2), ("titan", 3)])
async def test_embeddings_of_another_model_or_dimension_are_not_used(model: str, dimension: int) -> None:
    packed = await pack("titan", 2, yield_batches([("one", [1.0, 0.0])]))
    assert not unpack(model, dimension, packed)


async def test_packing_no_embeddings_returns_no_bytes() -> None:
    assert await pack("titan", 2, yield_batches([])) == b""
    assert not unpack("titan", 2, b"")
