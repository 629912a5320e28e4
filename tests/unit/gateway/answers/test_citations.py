"""Markers in an answer: which survive, and which words of a passage they stand for."""

import pytest
from gateway.answers.citations import cite, snippet
from gateway.answers.clean import clean
from gateway.models import Passage
from hypothesis import given
from hypothesis import strategies as st

TEXTS = [
    "The plan was approved. The marketing budget for 2026 is $5,000,000. It grew by 4%.",
    "# Lease\n\nThe office in Lisbon is rented.\n- notice period: nine months\n- rent: 3.5 k",
]
PASSAGES = [Passage("finance", f"d{n}", f"{n}.md", n, 0, text, 0.9) for n, text in enumerate(TEXTS, start=1)]


@pytest.mark.parametrize(
    ("said", "shown", "markers"),
    [
        pytest.param("It is $5,000,000. [1]", "It is $5,000,000. [1]", [1], id="one"),
        pytest.param("It is $5,000,000[1].", "It is $5,000,000 [1].", [1], id="without-space"),
        pytest.param(
            "A [2]. B [1]. C [2].", "A [2]. B [1]. C [2].", [2, 1], id="in-order-of-appearance-once-each"
        ),
        pytest.param("A [1, 2].", "A [1] [2].", [1, 2], id="list-in-one-bracket"),
        pytest.param("A [1][2].", "A [1] [2].", [1, 2], id="side-by-side"),
        pytest.param("A [3]. B [0]. C [1].", "A. B. C [1].", [1], id="inventions-are-taken-out"),
        pytest.param("A [1, 7].", "A [1].", [1], id="half-invented"),
        pytest.param("A [7].", "A.", [], id="only-invented"),
        pytest.param("In [2024] it rose.", "In [2024] it rose.", [], id="a-year-is-no-marker"),
        pytest.param("The passages do not say.", "The passages do not say.", [], id="none"),
        pytest.param("", "", [], id="silence"),
    ],
)
def test_only_markers_of_given_passages_survive(said: str, shown: str, markers: list[int]) -> None:
    text = clean(said, len(PASSAGES))
    citations = cite(text, PASSAGES)
    assert text == shown
    assert [citation.marker for citation in citations] == markers
    assert [(each.document_id, each.filename, each.page) for each in citations] == [
        (f"d{marker}", f"{marker}.md", marker) for marker in markers
    ]


def test_the_snippet_is_the_sentence_that_the_claim_rests_on() -> None:
    citations = cite(
        "The notice period is nine months [2]. The budget for marketing is $5,000,000 [1].", PASSAGES
    )
    assert [citation.snippet for citation in citations] == [
        "- notice period: nine months",
        "The marketing budget for 2026 is $5,000,000.",
    ]


@pytest.mark.parametrize(
    ("text", "claim", "expected"),
    [
        pytest.param(
            'He said "It is 5." Then he left.', "It is 5", 'He said "It is 5."', id="closing-quote-stays"
        ),
        pytest.param(
            "One line\nwrapped here. Other.", "wrapped here", "One line\nwrapped here.", id="wrapped-line"
        ),
        pytest.param("Title\n\nBody.", "body", "Body.", id="blank-line-ends-a-sentence"),
        pytest.param("A. B.", "nothing in common", "A.", id="nothing-in-common-gives-the-first"),
        pytest.param("no full stop", "stop", "no full stop", id="no-end"),
    ],
)
def test_sentences_are_cut_where_readers_see_their_end(text: str, claim: str, expected: str) -> None:
    assert snippet(text, claim) == expected


@given(st.text(min_size=1), st.text())
def test_a_snippet_stands_in_its_passage_word_for_word(text: str, claim: str) -> None:
    assert snippet(text, claim) in text
