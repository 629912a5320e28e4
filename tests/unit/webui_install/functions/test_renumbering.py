"""Markers numbered in the order in which they appear, with as little held back as can be."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webui_install.functions.tenantry import Citation, Renumberer


def in_pieces(*pieces: str, known: list[int] | None = None) -> list[str]:
    renumberer = Renumberer(known)
    return [*(renumberer.feed(piece) for piece in pieces), renumberer.finish()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A [3]. B [1]. C [3].", "A [1]. B [2]. C [1]."),
        ("No marker, in [2026] neither.", "No marker, in [2026] neither."),
        ("[a] [] [1", "[a] [] [1"),
        ("[[7]] [12]", "[[1]] [2]"),
    ],
)
def test_markers_are_numbered_as_they_appear(text: str, shown: str) -> None:
    assert "".join(in_pieces(text)) == shown


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["A [", "2", "]", " B"], ["A ", "", "[1]", " B", ""]),
        (["A [2", "0", "26] B"], ["A ", "", "[2026] B", ""]),
        (["A [b", "c] D"], ["A [b", "c] D", ""]),
        (["A [1", "[2]"], ["A ", "[1[1]", ""]),
        (["ends with [1"], ["ends with ", "[1"]),
    ],
)
def test_only_what_could_be_a_marker_is_held_back(pieces: list[str], shown: list[str]) -> None:
    assert in_pieces(*pieces) == shown


@given(st.text(alphabet="[]012a ", max_size=30), st.integers(1, 5))
def test_cut_anywhere_the_text_is_the_same(text: str, length: int) -> None:
    pieces = (
        ["".join(part) for part in itertools.batched(text, length)]
        if hasattr(itertools, "batched")
        else [text[at : at + length] for at in range(0, len(text), length)]
    )
    assert "".join(in_pieces(*pieces)) == "".join(in_pieces(text))


def test_a_number_that_cites_nothing_stays_as_it_is() -> None:
    assert "".join(in_pieces("A [5] [2].", known=[2])) == "A [5] [1]."


def test_citations_come_in_the_order_of_their_new_numbers() -> None:
    renumberer = Renumberer()
    renumberer.feed("A [3]. B [1].")
    cited = [Citation(marker=marker, document_id=str(marker), filename="f") for marker in (1, 2, 3)]
    assert [(number, each.marker) for number, each in renumberer.in_order(cited)] == [(1, 3), (2, 1)]
