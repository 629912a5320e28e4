"""Extractors for plain text and Markdown. Of Markdown, only headings are parsed."""

import re
from collections.abc import Iterator

from ...problems import DocumentUnsupported
from .blocks import Block, PageBlocks

__all__ = ["decode", "extract_markdown", "extract_text"]

_NEWLINE = re.compile(r"\r\n|\r|\n")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def extract_text(content: bytes) -> Iterator[PageBlocks]:
    """Yield a text as one page."""
    yield PageBlocks([Block(decode(content))])


def extract_markdown(content: bytes) -> Iterator[PageBlocks]:
    """Yield a Markdown file as one page. Headings begin with ``#``; underlined headings remain plain text."""
    yield PageBlocks(_iter_blocks(decode(content)))


def decode(content: bytes) -> str:
    """Return the text of a file that declares no encoding.

    Raises
    ------
    DocumentUnsupported
        The file is neither UTF-8 nor UTF-16 with a byte order mark.
    """
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as exc:
        raise DocumentUnsupported("The file is not encoded in UTF-8. Save it as UTF-8.") from exc


def _iter_blocks(source: str) -> Iterator[Block]:
    lines: list[str] = []
    fence = ""
    for line in _NEWLINE.split(source):
        if delimiter := _FENCE.match(line):
            fence = "" if fence == delimiter[1] else fence or delimiter[1]
        heading = None if fence else _HEADING.match(line)  # in code, # begins a comment
        if heading:
            yield Block("\n".join(lines))
            yield Block(line, level=len(heading[1]))
            lines = []
        else:
            lines.append(line)
    yield Block("\n".join(lines))
