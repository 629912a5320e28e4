"""Chunking of pages into pieces that are embedded and searched.

Tokens are counted with the o200k vocabulary, which ``semantic-text-splitter`` has in its binary, so nothing
is downloaded. Titan's vocabulary is not public. The two differ by some tens of percent, and the largest
allowed chunk is a quarter of Titan's 8,192 tokens.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from semantic_text_splitter import TextSplitter

from ..models import Chunk, Heading, Page

__all__ = ["HEADING_CHARACTERS", "Chunker"]

VOCABULARY = "gpt-4o"
"""Model that uses the o200k vocabulary, which covers most languages evenly."""

HEADING_CHARACTERS = 200
"""Maximum length of a path of headings: about fifty tokens, in addition to the chunk's tokens."""

WINDOW_CHARACTERS = 16 * 1024
"""Length of the first window of each page, and maximum length of any window."""

WINDOW_CHUNKS = 8
"""Length of the next window, as a multiple of the longest chunk in the current window.

For each chunk the splitter counts the tokens of the rest of the section. Without windows, a section as long
as the file would take quadratic time."""


class Chunker:
    """Cuts text at headings, paragraphs and sentences, and at words only if necessary.

    A chunk never crosses the end of a page, so that a citation's page is always right. It may cross the end
    of a section: several short sections make a better chunk together, and their headings are in the text.

    Parameters
    ----------
    tokens
        Maximum length of a chunk.
    overlap
        Maximum number of tokens that a chunk repeats from the previous chunk, in whole sentences.
    """

    def __init__(self, tokens: int, overlap: int) -> None:
        self._splitter = TextSplitter.from_tiktoken_model(VOCABULARY, tokens, overlap)

    def chunk(self, pages: Sequence[Page]) -> list[Chunk]:
        """Return the chunks of all pages in reading order; they contain every word."""
        return [chunk for page in pages for chunk in self._chunk(page)]

    def _chunk(self, page: Page) -> Iterator[Chunk]:
        above: list[Heading] = []
        remaining = deque(page.headings)
        for start, text in self._split(page.text):
            while remaining and remaining[0].start < start:
                heading = remaining.popleft()
                above = [*_select_headings_above(above, heading), heading]
            # The path of a chunk that begins with a heading ends above that heading.
            is_at_heading = remaining and remaining[0].start == start
            yield Chunk(
                text,
                page.number,
                _join_headings(_select_headings_above(above, remaining[0]) if is_at_heading else above),
            )

    def _split(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield each chunk with its start. The chunks equal those that the splitter makes of the whole text.

        A chunk depends on the text after it only up to a chunk's length. So the first half of a window's
        chunks are final, and the next window begins with the second half.
        """
        begin, size = 0, WINDOW_CHARACTERS
        while begin < len(text):
            window = self._splitter.chunk_indices(text[begin : begin + size])
            is_last = begin + size >= len(text)
            final = len(window) if is_last else len(window) // 2 or 1
            for start, chunk in window[:final]:
                yield begin + start, chunk
            begin += window[final][0] if final < len(window) else size
            if window:
                size = min(WINDOW_CHUNKS * max(len(chunk) for _, chunk in window), WINDOW_CHARACTERS)


def _select_headings_above(above: list[Heading], heading: Heading) -> list[Heading]:
    return [other for other in above if other.level < heading.level]


def _join_headings(headings: list[Heading]) -> str:
    """Return the path of headings; a path that is too long loses its outermost headings."""
    path = ""
    for heading in reversed(headings):
        longer = f"{heading.title} > {path}" if path else heading.title
        if path and len(longer) > HEADING_CHARACTERS:
            break
        path = longer
    return path[:HEADING_CHARACTERS]
