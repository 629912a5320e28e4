"""Tests of chunking, with generated texts."""

import itertools

import pytest
from gateway.documents.chunk import HEADING_CHARACTERS, VOCABULARY, WINDOW_CHARACTERS, Chunker
from gateway.models import Heading, Page
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter

TOKENS, OVERLAP = 40, 8
PLAIN = TextSplitter.from_tiktoken_model(VOCABULARY, TOKENS)

sentences = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12),
    min_size=1,
    max_size=30,
).map(lambda words: " ".join(words) + ".")
texts = st.lists(sentences, min_size=1, max_size=12).map("\n\n".join)
documents = st.lists(texts, min_size=1, max_size=4).map(
    lambda pages: [Page(text, number) for number, text in enumerate(pages, start=1)]
)


def is_within_limit(text: str) -> bool:
    """Return True if a text is within the limit, by an independent splitter."""
    return len(PLAIN.chunks(text)) <= 1


@settings(max_examples=60, deadline=None)
@given(documents)
def test_chunks_keep_all_text_within_the_limit_and_the_right_page(pages: list[Page]) -> None:
    chunks = Chunker(TOKENS, OVERLAP).chunk(pages)
    for page in pages:
        covered = 0
        for chunk in (c for c in chunks if c.page == page.number):
            assert is_within_limit(chunk.text)
            # Use the latest position without a gap before the chunk: a page may contain the same words twice.
            gap = len(page.text[covered:]) - len(page.text[covered:].lstrip())
            start = page.text.rfind(chunk.text, 0, covered + gap + len(chunk.text))
            assert start >= 0, "chunks cover the page without gaps"
            covered = max(covered, start + len(chunk.text))
        assert not page.text[covered:].strip()


def test_chunks_end_with_sentences_and_repeat_the_last_sentence() -> None:
    text = " ".join(f"This is sentence number {number} of the text." for number in range(30))
    chunks = [chunk.text for chunk in Chunker(TOKENS, 12).chunk([Page(text)])]
    assert len(chunks) > 3
    assert all(chunk.startswith("This is") and chunk.endswith("of the text.") for chunk in chunks)
    for before, after in itertools.pairwise(chunks):
        assert after.split(". ")[0].rstrip(".") in before, "a chunk begins with the overlap"


def test_a_word_longer_than_a_chunk_is_cut_not_dropped() -> None:
    word = "x1" * 2000
    assert "".join(chunk.text for chunk in Chunker(TOKENS, 0).chunk([Page(word)])) == word


def make_paragraph(words: int) -> str:
    return " ".join(["word"] * words) + "."


def make_page(*blocks: tuple[str, int] | str) -> Page:
    """Return a page of headings (with their level) and paragraphs."""
    text, headings, below_heading = "", [], False
    for block in blocks:
        if isinstance(block, tuple):
            text += "\n" if text and not below_heading else ""
            headings.append(Heading(block[0], block[1], len(text)))
        below_heading = isinstance(block, tuple)
        text += f"{block if isinstance(block, str) else block[0]}\n\n"
    return Page(text.strip(), None, tuple(headings))


def test_a_chunk_has_the_headings_above_it_but_not_its_own() -> None:
    page = make_page(
        ("Travel", 1),
        make_paragraph(30),
        ("Meals", 2),
        make_paragraph(30),
        make_paragraph(30),
        ("Hotels", 2),
        make_paragraph(30),
    )
    chunks = Chunker(TOKENS, 0).chunk([page])
    assert [(chunk.text.split(None, 1)[0], chunk.heading) for chunk in chunks] == [
        ("Travel", ""),
        ("Meals", "Travel"),
        ("word", "Travel > Meals"),
        ("Hotels", "Travel"),
    ]
    assert chunks[2].embedded_text == f"Travel > Meals\n\n{chunks[2].text}"
    assert chunks[0].embedded_text == chunks[0].text


def test_a_heading_does_not_apply_to_the_next_page() -> None:
    chunks = Chunker(TOKENS, 0).chunk([make_page(("Travel", 1), "x"), make_page("y")])
    assert [chunk.heading for chunk in chunks] == ["", ""]


@pytest.mark.parametrize(
    ("titles", "path"),
    [
        pytest.param(["A" * 150, "B" * 60, "C"], f"{'B' * 60} > C", id="the-nearest-are-kept"),
        pytest.param(["A", "B" * 300], "B" * HEADING_CHARACTERS, id="one-is-cut"),
    ],
)
def test_the_path_of_headings_has_a_maximum_length(titles: list[str], path: str) -> None:
    blocks = [(title, level) for level, title in enumerate(titles)]
    (*_, last) = Chunker(TOKENS, 0).chunk([make_page(*blocks, make_paragraph(30), "End.")])
    assert last.heading == path


def test_embedded_text_has_a_maximum_length() -> None:
    heading = "预" * HEADING_CHARACTERS
    for chunk in Chunker(TOKENS, OVERLAP).chunk([make_page((heading, 1), make_paragraph(200))]):
        assert len(chunk.embedded_text) <= len(chunk.text) + HEADING_CHARACTERS + 2


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(texts, st.sampled_from([" ", "\n", "\n\n", "\n\n\n"])), min_size=1, max_size=20),
    st.integers(1, 20),
)
def test_windows_do_not_change_the_chunks(parts: list[tuple[str, str]], times: int) -> None:
    text = ("".join(part + gap for part, gap in parts) * times).strip()
    whole = TextSplitter.from_tiktoken_model(VOCABULARY, TOKENS, OVERLAP).chunks(text)
    assert [chunk.text for chunk in Chunker(TOKENS, OVERLAP).chunk([Page(text)])] == whole


class CountingSplitter:
    """Splitter that records the lengths of its texts."""

    def __init__(self) -> None:
        self._splitter = TextSplitter.from_tiktoken_model(VOCABULARY, TOKENS, OVERLAP)
        self.lengths: list[int] = []

    def chunk_indices(self, text: str) -> list[tuple[int, str]]:
        self.lengths.append(len(text))
        return self._splitter.chunk_indices(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 30_000, id="one-word"),
        pytest.param("漢" * 10_000, id="one-character-of-three-bytes"),
        pytest.param("." * 60_000, id="one-sign"),
        pytest.param("word " * 6_000, id="no-sentence"),
        pytest.param(f"One.{' ' * 40_000}Two.", id="a-gap-longer-than-a-window"),
        pytest.param("A line of a log.\n" * 1_000 + "\n" + "Another.\n" * 1_000, id="two-sections"),
    ],
)
def test_chunking_takes_linear_time(text: str) -> None:
    chunker = Chunker(TOKENS, OVERLAP)
    chunker._splitter = counting = CountingSplitter()  # type: ignore[assignment]
    chunks = chunker.chunk([Page(text)])
    # For each chunk that it cuts, the splitter may count the tokens of its whole text once.
    assert max(counting.lengths) <= WINDOW_CHARACTERS
    assert sum(counting.lengths) <= 3 * len(text) + WINDOW_CHARACTERS
    assert chunks[0].text[:1] == text[:1]
    assert chunks[-1].text[-1:] == text.strip()[-1:]
