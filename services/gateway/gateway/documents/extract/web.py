"""Extractor for HTML: the visible text, in the lines that a browser shows."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser

from ...problems import DocumentUnsupported
from .blocks import Block, PageBlocks
from .visibility import remove_hidden

__all__ = ["extract_html", "extract_html_blocks"]

_INVISIBLE_TAGS = ["head", "script", "style", "noscript", "template", "svg", "iframe", "object", "canvas"]
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCK_TAGS = (
    "address, article, aside, blockquote, dd, details, div, dl, dt, fieldset, figcaption, figure, footer, "
    "form, header, hr, li, main, nav, ol, p, pre, section, summary, table, ul"
)
_TITLE_LEVEL = 1
_HEADING, _BREAK, _LINE, _CELL = "\x02", "\x1d", "\x1e", "\x1f"
"""Control characters that no text contains; they separate headings, blocks, lines and table cells."""

_SPACING = re.compile(r"\s+")
"""White space between two words. In Python this matches ``_BREAK``, ``_LINE`` and ``_CELL``, too."""


def extract_html(content: bytes) -> Iterator[PageBlocks]:
    """Yield an HTML file as one page.

    Raises
    ------
    DocumentUnsupported
        The file's encoding is not the declared encoding.
    """
    yield PageBlocks(extract_html_blocks(LexborHTMLParser(content, encoding=True)))


def extract_html_blocks(tree: LexborHTMLParser) -> Iterator[Block]:
    """Yield the visible text of a parsed page. The tree is changed.

    Raises
    ------
    DocumentUnsupported
        A character is invalid in the encoding that the page declares.
    """
    if title := tree.css_first("head > title"):
        yield Block(title.text(strip=True), level=_TITLE_LEVEL)
    remove_hidden(tree)
    tree.strip_tags(_INVISIBLE_TAGS)
    for node in tree.css("br, tr"):
        node.insert_after(_LINE)
    for node in tree.css("td, th"):
        node.insert_after(_CELL)
    for level, tag in enumerate(_HEADINGS, start=_TITLE_LEVEL + 1):
        for node in tree.css(tag):
            node.replace_with(f"{_BREAK}{_HEADING}{level}{' '.join(node.text().split())}{_BREAK}")
    for node in tree.css(_BLOCK_TAGS):
        node.insert_before(_BREAK)
        node.insert_after(_BREAK)
    text = tree.body.text() if tree.body else ""
    if "\ufffd" in text:
        raise DocumentUnsupported("The HTML file is not in the encoding that it declares. Save it as UTF-8.")
    for part in _SPACING.sub(_choose_separator, text).split("\n\n"):
        if part.startswith(_HEADING):
            yield Block(part[2:], level=int(part[1]))
        else:
            yield Block(part)


def _choose_separator(run: re.Match[str]) -> str:
    """Return the separator that a run of white space and separators represents."""
    separators = run[0]
    if _BREAK in separators:
        return "\n\n"
    if _LINE in separators:
        return "\n"
    return " | " * separators.count(_CELL) or " "
