"""What extractors make, and how it becomes pages: tidied, bounded, with the headings' places known."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...models import Heading, Page
from ...problems import DocumentTooLarge

__all__ = ["CHARACTERS", "PAGES", "Block", "Draft", "compose"]

CHARACTERS = 32 * 1024 * 1024
"""Most text of one document. A small file may say the same long thing a million times (a spreadsheet's
shared strings, a PDF's forms), so the size of what was unpacked bounds nothing."""

PAGES = 10_000
"""Most pages, slides or sheets of one document: a small file may name the same one a million times."""

_PARAGRAPH_GAP, _HEADING_GAP = "\n\n", "\n\n\n"
_MARKDOWN_SIGNS = re.compile(r"^#{1,6}[ \t]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufeff]+")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a table's row, or, if it has a ``level``, a heading.

    A heading stands over all that follows, up to one of the same or a smaller level; 0 is the outermost.
    ``gap`` stands between a block and the one before it. By default a heading is further off than a
    paragraph, unless it follows a heading: the chunker likes best to cut where most lines are empty.
    """

    text: str
    level: int | None = None
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A page that is being read: its blocks come one by one, so that reading can stop in the middle."""

    blocks: Iterable[Block]
    number: int | None = None


def compose(drafts: Iterable[Draft]) -> Iterator[Page]:
    """Yield the pages; some of them may be without text.

    Raises
    ------
    DocumentTooLarge
        There are too many pages or characters.
    """
    room = CHARACTERS
    for count, draft in enumerate(drafts, start=1):
        if count > PAGES:
            raise DocumentTooLarge(f"The document has more than {PAGES} pages. Split it.")
        page = _page(draft, room)
        room -= len(page.text)
        yield page


def _page(draft: Draft, room: int) -> Page:
    parts: list[str] = []
    headings: list[Heading] = []
    length = 0
    below_heading = False
    for block in draft.blocks:
        text = _tidy(block.text)
        if not text:
            continue
        gap = _gap(block, below_heading=below_heading) if parts else ""
        below_heading = block.level is not None
        parts += (gap, text)
        if block.level is not None:
            headings.append(Heading(_title(text), block.level, length + len(gap)))
        length += len(gap) + len(text)
        if length > room:
            raise DocumentTooLarge(f"The document has more than {CHARACTERS} characters. Split it.")
    return Page("".join(parts), draft.number, tuple(headings))


def _title(text: str) -> str:
    """Return a heading in one line and without Markdown's signs, which are not its words."""
    return " ".join(_MARKDOWN_SIGNS.sub("", text).split())


def _gap(block: Block, *, below_heading: bool) -> str:
    if block.gap is not None:
        return block.gap
    return _PARAGRAPH_GAP if block.level is None or below_heading else _HEADING_GAP


def _tidy(text: str) -> str:
    """Return text in one Unicode form, without control characters, at most one blank line in a row."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _CONTROLS.sub(" ", text)
    # No regex for the ends of lines: on a long run of blanks inside a line it would take its square.
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", text).strip()
