"""Tests of citation markers, numbers and snippets."""

import pytest
from gateway.answers.citations import CitationParser, build_citations, find_snippet, to_numbers
from gateway.models import Passage
from hypothesis import example, given
from hypothesis import strategies as st

TEXTS = [
    "The plan was approved. The marketing budget for 2026 is $5,000,000. It grew by 4%.",
    "# Lease\n\nThe office in Lisbon is rented.\n- notice period: nine months\n- rent: 3.5 k",
]
PASSAGES = [Passage("finance", f"d{n}", f"{n}.md", n, 0, text, 0.9) for n, text in enumerate(TEXTS, start=1)]


def parse(*pieces: str) -> tuple[str, list[int]]:
    parser = CitationParser(len(PASSAGES))
    text = "".join([*(parser.feed(piece) for piece in pieces), parser.finish()])
    return text, parser.cited


@pytest.mark.parametrize(
    ("text_of_model", "shown", "cited"),
    [
        pytest.param("It is $5,000,000. [cite:1]", "It is $5,000,000. [1]", [1], id="one"),
        pytest.param("It is $5[cite:1].", "It is $5[1].", [1], id="without-a-space"),
        pytest.param(
            "A [cite:2]. B [cite:1]. C [cite:2].", "A [1]. B [2]. C [1].", [2, 1], id="numbered-as-they-come"
        ),
        pytest.param("A [cite:1,2].", "A [1][2].", [1, 2], id="several"),
        pytest.param("A [cite: 1, 2].", "A [1][2].", [1, 2], id="spaced"),
        pytest.param("A [cite:3]. B [cite:0]. C [cite:1].", "A. B. C [1].", [1], id="invented"),
        pytest.param("A [cite:1, 7].", "A [1].", [1], id="half-invented"),
        pytest.param("A [1]. B [2, 1].", "A [1]. B [2, 1].", [], id="numbers-in-brackets-are-text"),
        pytest.param("It takes [1, 3] litres.", "It takes [1, 3] litres.", [], id="a-range"),
        pytest.param('"ports": [7], limits[2]', '"ports": [7], limits[2]', [], id="code"),
        pytest.param("[cite:x] [cite] [cite:", "[cite:x] [cite] [cite:", [], id="no-marker"),
        pytest.param(" A \n", " A \n", [], id="white-space-stays"),
        pytest.param("The passages do not say.", "The passages do not say.", [], id="none"),
        pytest.param("\ud801 x", "\ufffd x", [], id="a-lone-surrogate-is-no-citation"),
        pytest.param("", "", [], id="silence"),
    ],
)
def test_only_markers_of_known_passages_are_citations(
    text_of_model: str, shown: str, cited: list[int]
) -> None:
    text, positions = parse(text_of_model)
    citations = build_citations(text, positions, PASSAGES)
    assert to_numbers(text) == shown
    assert positions == cited
    assert [
        (citation.marker, citation.document_id, citation.filename, citation.page) for citation in citations
    ] == [
        (number, f"d{position}", f"{position}.md", position) for number, position in enumerate(cited, start=1)
    ]


PIECES = st.lists(
    st.sampled_from(
        ["[", "cite", ":", "[cite:", "1", "9", ",", " ", "]", "\n", "[cite:1]", " [cite:7]", "[2]", "x"]
    ),
    max_size=20,
)


@given(PIECES)
@example([" ", "[ci", "te:", "1", "]"])
@example(["[cite:1", ", 2", "] x"])
def test_the_result_does_not_depend_on_the_pieces(pieces: list[str]) -> None:
    assert parse(*pieces) == parse("".join(pieces))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda text: "[cite" not in text))
def test_text_without_markers_is_unchanged(text: str) -> None:
    assert parse(*text) == (text, [])


def test_the_snippet_is_the_sentence_most_similar_to_the_claim() -> None:
    text, cited = parse(
        "The notice period is nine months [cite:2]. The budget for marketing is $5,000,000 [cite:1]."
    )
    assert [citation.snippet for citation in build_citations(text, cited, PASSAGES)] == [
        "- notice period: nine months",
        "The marketing budget for 2026 is $5,000,000.",
    ]


@pytest.mark.parametrize(
    ("text", "claim", "expected"),
    [
        pytest.param(
            'He said "It is 5." Then he left.',
            "It is 5",
            'He said "It is 5."',
            id="closing-quote-stays",
        ),
        pytest.param(
            "One line\nwrapped here. Other.", "wrapped here", "One line\nwrapped here.", id="wrapped-line"
        ),
        pytest.param("Title\n\nBody.", "body", "Body.", id="blank-line-ends-a-sentence"),
        pytest.param("A. B.", "nothing in common", "A.", id="nothing-in-common-gives-the-first"),
        pytest.param("no full stop", "stop", "no full stop", id="no-end"),
    ],
)
def test_sentences_end_at_punctuation_blank_lines_and_blocks(text: str, claim: str, expected: str) -> None:
    assert find_snippet(text, claim) == expected


@given(st.text(min_size=1), st.text())
def test_a_snippet_is_a_verbatim_part_of_its_passage(text: str, claim: str) -> None:
    assert find_snippet(text, claim) in text
