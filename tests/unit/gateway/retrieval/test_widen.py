"""Tests of the extension of passages by their neighbouring chunks."""

import pytest
from gateway.models import Passage
from gateway.retrieval.widen import join_chunks, widen
from hypothesis import given
from hypothesis import strategies as st


def make_passage(chunk: int, text: str, page: int | None = None, document: str = "d") -> Passage:
    return Passage("finance", document, "a.md", page, chunk, text, 0.9, "v1")


def map_by_position(*passages: Passage) -> dict[tuple[str, int], Passage]:
    return {(passage.document_id, passage.chunk): passage for passage in passages}


def test_a_passage_is_extended_by_both_neighbours() -> None:
    neighbours = map_by_position(make_passage(1, "One. Two."), make_passage(3, "Three. Four."))
    (widened,) = widen([make_passage(2, "Two. Three.")], neighbours, 100)
    assert widened.text == "One. Two. Three. Four."
    assert widened.chunk == 2


@pytest.mark.parametrize(
    ("neighbour", "tokens"),
    [
        pytest.param(make_passage(3, "Three.", page=2), 100, id="on-another-page"),
        pytest.param(make_passage(3, "Three.", document="other"), 100, id="of-another-document"),
        pytest.param(make_passage(4, "Three."), 100, id="not-adjacent"),
        pytest.param(make_passage(3, "Three."), 2, id="too-long"),
    ],
)
def test_unrelated_or_too_long_neighbours_are_skipped(neighbour: Passage, tokens: int) -> None:
    passages = [make_passage(2, "Two.", page=1)]
    assert widen(passages, map_by_position(neighbour), tokens) == passages


def test_no_chunk_is_used_twice() -> None:
    passages = [make_passage(1, "One."), make_passage(2, "Two."), make_passage(4, "Four.")]
    neighbours = map_by_position(
        *passages, make_passage(0, "Zero."), make_passage(3, "Three."), make_passage(5, "Five.")
    )
    texts = [passage.text for passage in widen(passages, neighbours, 100)]
    assert texts == ["Zero.\nOne.", "Two.\nThree.", "Four.\nFive."]


def test_the_best_passages_are_extended_first() -> None:
    passages = [make_passage(1, "A" * 30), make_passage(1, "B" * 30, document="e")]
    neighbours = map_by_position(make_passage(2, "C" * 27), make_passage(2, "D" * 27, document="e"))
    first, second = widen(passages, neighbours, 30)
    assert "C" in first.text
    assert "D" not in second.text


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_joined_chunks_contain_their_overlap_once(head: str, shared: str, tail: str) -> None:
    joined = join_chunks(head + shared, shared + tail)
    assert joined.startswith(head + shared)
    assert joined.endswith(shared + tail)
    if shared:
        assert len(joined) <= len(head + shared + tail)
