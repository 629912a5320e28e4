"""Text cut into chunks that are embedded and found as one.

Tokens are counted with the o200k vocabulary that ``semantic-text-splitter`` carries in its binary, so
nothing is fetched. Titan's own vocabulary is not public; the two differ by some tens of percent, and the
largest chunk we allow is a quarter of Titan's 8,192 tokens.
"""

from collections.abc import Sequence

from semantic_text_splitter import TextSplitter

from ..models import Chunk, Page

__all__ = ["Chunker"]

VOCABULARY = "gpt-4o"
"""Names the o200k vocabulary, which knows most languages evenly."""


class Chunker:
    """Cuts at headings, paragraphs, sentences, and only in need at words.

    A chunk never runs over the end of a page, so that a citation's page is always right.

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
        return [Chunk(text, page.number) for page in pages for text in self._splitter.chunks(page.text)]
