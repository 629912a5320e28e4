"""Blocks of text that extractors return, and the pages that are built from them."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...models import Heading, Page
from ...problems import DocumentTooLarge

__all__ = ["MAX_CHARACTERS", "MAX_PAGES", "Block", "PageBlocks", "build_pages"]

MAX_CHARACTERS = 32 * 1024 * 1024
"""Maximum text of one document. The unpacked size is no limit: a small file may repeat the same text a
million times (shared strings of a spreadsheet, forms of a PDF)."""

MAX_PAGES = 10_000
"""Maximum number of pages, slides or sheets: a small file may reference the same page a million times."""

_PARAGRAPH_GAP, _HEADING_GAP = "\n\n", "\n\n\n"
_MARKDOWN_SIGNS = re.compile(r"^#{1,6}[ \t]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufeff]+")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Block:
    """Paragraph, row of a table, or heading (if it has a ``level``).

    A heading applies up to the next heading of the same or a smaller level; level 0 is the outermost. ``gap``
    separates a block from the previous block. By default the gap is larger before a heading than before a
    paragraph, because the chunker prefers to cut at the most empty lines. A heading that follows a heading
    has the smaller gap.
    """

    text: str
    level: int | None = None
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class PageBlocks:
    """Blocks of one page, as an iterable, so that reading can stop in the middle."""

    blocks: Iterable[Block]
    number: int | None = None


def build_pages(raw_pages: Iterable[PageBlocks]) -> Iterator[Page]:
    """Yield pages with normalised text and the positions of headings; some pages may have no text.

    Raises
    ------
    DocumentTooLarge
        There are too many pages or characters.
    """
    remaining = MAX_CHARACTERS
    for count, raw_page in enumerate(raw_pages, start=1):
        if count > MAX_PAGES:
            raise DocumentTooLarge(f"The document has more than {MAX_PAGES} pages. Split it.")
        page = _build_page(raw_page, remaining)
        remaining -= len(page.text)
        yield page


def _build_page(raw_page: PageBlocks, max_length: int) -> Page:
    parts: list[str] = []
    headings: list[Heading] = []
    length = 0
    below_heading = False
    for block in raw_page.blocks:
        text = _normalize(block.text)
        if not text:
            continue
        gap = _get_gap(block, below_heading=below_heading) if parts else ""
        below_heading = block.level is not None
        parts += (gap, text)
        if block.level is not None:
            headings.append(Heading(_clean_title(text), block.level, length + len(gap)))
        length += len(gap) + len(text)
        if length > max_length:
            raise DocumentTooLarge(f"The document has more than {MAX_CHARACTERS} characters. Split it.")
    return Page("".join(parts), raw_page.number, tuple(headings))


def _clean_title(text: str) -> str:
    """Return the text of a heading in one line, without Markdown's ``#``."""
    return " ".join(_MARKDOWN_SIGNS.sub("", text).split())


def _get_gap(block: Block, *, below_heading: bool) -> str:
    if block.gap is not None:
        return block.gap
    return _PARAGRAPH_GAP if block.level is None or below_heading else _HEADING_GAP


def _normalize(text: str) -> str:
    """Return text in NFC, without control characters and with at most one blank line in a row."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _CONTROLS.sub(" ", text)
    # No regex for trailing blanks: on a long run of blanks inside a line it takes quadratic time.
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", text).strip()
