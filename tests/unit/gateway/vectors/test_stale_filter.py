"""StaleFilter of one search while documents change: what is returned, and when no further round is made."""

from gateway.models import Passage
from gateway.vectors.stale_filter import StaleFilter


def passage(document_id: str, version: str = "v1", chunk: int = 1) -> Passage:
    return Passage("finance", document_id, "a.md", None, chunk, "x", 0.5, version)


def test_a_round_that_finds_nothing_ends_the_search() -> None:
    results = StaleFilter()
    assert results.absorb([], {}, is_full=False)
    assert results.best == []


def test_chunks_of_a_deleted_document_cost_another_round_only_if_they_took_places() -> None:
    gone, good = passage("gone"), passage("good")
    assert StaleFilter().absorb([gone, good], {"good": "v1"}, is_full=False)
    results = StaleFilter()
    assert not results.absorb([gone, good], {"good": "v1"}, is_full=True)
    assert results.stale == {("gone", "v1")}


def test_of_results_that_all_missed_something_the_one_that_saw_most_counts() -> None:
    results = StaleFilter()
    changing = passage("changing", "v1")
    first = [passage("a"), passage("b"), changing]
    assert not results.absorb(first, {"a": "v1", "b": "v1", "changing": "v2"}, is_full=False)
    assert not results.absorb([passage("a"), changing], {"a": "v1", "changing": "v2"}, is_full=False)
    assert [each.document_id for each in results.best] == ["a", "b"]
    assert not results.absorb(
        [passage("c"), passage("d"), changing], {"c": "v1", "d": "v1", "changing": "v2"}, is_full=False
    )
    assert [each.document_id for each in results.best] == ["c", "d"], "of two like it the later one"


def test_a_round_that_missed_nothing_counts_more_than_one_that_saw_more() -> None:
    results = StaleFilter()
    first = [passage("a"), passage("b"), passage("changing")]
    assert not results.absorb(first, {"a": "v1", "b": "v1", "changing": "v2"}, is_full=False)
    assert results.absorb([passage("changing", "v2")], {"changing": "v2"}, is_full=False)
    assert [each.version_id for each in results.best] == ["v2"]
