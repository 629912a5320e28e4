"""Text cut into chunks that are embedded and found as one.

Tokens are counted with the o200k vocabulary that ``semantic-text-splitter`` carries in its binary, so
nothing is fetched. Titan's own vocabulary is not public; the two differ by some tens of percent, and the
largest chunk we allow is a quarter of Titan's 8,192 tokens.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from semantic_text_splitter import TextSplitter

from ..models import Chunk, Heading, Page

__all__ = ["HEADING_CHARACTERS", "Chunker"]

VOCABULARY = "gpt-4o"
"""Names the o200k vocabulary, which knows most languages evenly."""

HEADING_CHARACTERS = 200
"""Longest path of headings: some fifty tokens, which come on top of the chunk's own."""


WINDOW_CHARACTERS = 16 * 1024
"""Longest piece of a text that the splitter gets, and the first one of each page."""

WINDOW_CHUNKS = 8
"""How many chunks of the longest size a window holds. The splitter counts the tokens of all that is left of
a section for each chunk that it cuts from it: the square of the length, where a section is the whole file."""


class Chunker:
    """Cuts at headings, paragraphs, sentences, and only in need at words.

    A chunk never runs over the end of a page, so that a citation's page is always right. It may run over
    the end of a section: many short ones make better chunks together, and their headings are in the text.

    Parameters
    ----------
    tokens
        Longest chunk.
    overlap
        Most tokens that a chunk repeats of the one before it: whole sentences, as many as fit.
    """

    def __init__(self, tokens: int, overlap: int) -> None:
        self._splitter = TextSplitter.from_tiktoken_model(VOCABULARY, tokens, overlap)

    def chunk(self, pages: Sequence[Page]) -> list[Chunk]:
        """Return the chunks of all pages in reading order; no word is lost."""
        return [chunk for page in pages for chunk in self._chunk(page)]

    def _chunk(self, page: Page) -> Iterator[Chunk]:
        above: list[Heading] = []
        coming = deque(page.headings)
        for start, text in self._cut(page.text):
            while coming and coming[0].start < start:
                heading = coming.popleft()
                above = [*_over(above, heading), heading]
            # A chunk that begins with a heading stands under those over that one.
            begins = coming and coming[0].start == start
            yield Chunk(text, page.number, _path(_over(above, coming[0]) if begins else above))

    def _cut(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield each chunk with its start: those that the splitter would make of the whole text.

        A chunk depends on what follows it only up to a chunk's length. So of each window the first half of
        the chunks are final, and the next window begins where the first of the others does.
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


def _over(above: list[Heading], heading: Heading) -> list[Heading]:
    return [other for other in above if other.level < heading.level]


def _path(headings: list[Heading]) -> str:
    """Return the path, without the outermost headings if it becomes too long: the nearest tell most."""
    path = ""
    for heading in reversed(headings):
        longer = f"{heading.title} > {path}" if path else heading.title
        if path and len(longer) > HEADING_CHARACTERS:
            break
        path = longer
    return path[:HEADING_CHARACTERS]
