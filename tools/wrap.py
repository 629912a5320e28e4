"""Line breaks in generated Markdown."""

import textwrap

from .sentence_check import MAX_LINE

__all__ = ["wrap"]


def wrap(paragraph: str, *, indent: str = "") -> str:
    """Return a paragraph with line breaks; ``indent`` precedes every line except the first."""
    return textwrap.fill(
        paragraph, MAX_LINE, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
