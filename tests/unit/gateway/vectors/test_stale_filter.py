"""Tests of the filter of stale document versions."""

from gateway.models import Passage
from gateway.vectors.stale_filter import StaleFilter


def make_passage(document_id: str, version: str = "v1", chunk: int = 1) -> Passage:
    return Passage("finance", document_id, "a.md", None, chunk, "x", 0.5, version)


def test_a_round_that_finds_nothing_ends_the_search() -> None:
    results = StaleFilter()
    assert results.absorb([], {}, is_full=False)
    assert results.best == []


def test_stale_chunks_cause_another_round_only_if_the_result_is_full() -> None:
    gone, good = make_passage("gone"), make_passage("good")
    assert StaleFilter().absorb([gone, good], {"good": "v1"}, is_full=False)
    results = StaleFilter()
    assert not results.absorb([gone, good], {"good": "v1"}, is_full=True)
    assert results.stale == {("gone", "v1")}


def test_the_round_with_the_most_passages_is_best_if_all_rounds_are_inconsistent() -> None:
    results = StaleFilter()
    changing = make_passage("changing", "v1")
    first = [make_passage("a"), make_passage("b"), changing]
    assert not results.absorb(first, {"a": "v1", "b": "v1", "changing": "v2"}, is_full=False)
    assert not results.absorb([make_passage("a"), changing], {"a": "v1", "changing": "v2"}, is_full=False)
    assert [passage.document_id for passage in results.best] == ["a", "b"]
    assert not results.absorb(
        [make_passage("c"), make_passage("d"), changing],
        {"c": "v1", "d": "v1", "changing": "v2"},
        is_full=False,
    )
    assert [passage.document_id for passage in results.best] == ["c", "d"], (
        "the later of two equal rounds is used"
    )


def test_a_consistent_round_is_better_than_a_round_with_more_passages() -> None:
    results = StaleFilter()
    first = [make_passage("a"), make_passage("b"), make_passage("changing")]
    assert not results.absorb(first, {"a": "v1", "b": "v1", "changing": "v2"}, is_full=False)
    assert results.absorb([make_passage("changing", "v2")], {"changing": "v2"}, is_full=False)
    assert [passage.version_id for passage in results.best] == ["v2"]
