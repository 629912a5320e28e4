"""Text as it is, and Markdown, of which only the headings are understood."""

import re
from collections.abc import Iterator

from ...problems import DocumentUnsupported
from .blocks import Block, Draft

__all__ = ["decode", "markdown", "text"]

_NEWLINE = re.compile(r"\r\n|\r|\n")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]")
_FENCE = re.compile(r" {0,3}(```|~~~)")


def text(content: bytes) -> Iterator[Draft]:
    """Yield the one page of a text."""
    yield Draft([Block(decode(content))])


def markdown(content: bytes) -> Iterator[Draft]:
    """Yield the one page of a Markdown file. Headings begin with ``#``; underlined ones stay plain text."""
    yield Draft(_blocks(decode(content)))


def decode(content: bytes) -> str:
    """Return the text of a file that declares no encoding.

    Raises
    ------
    DocumentUnsupported
        It is neither UTF-8 nor UTF-16 with its mark.
    """
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as exc:
        raise DocumentUnsupported("The file is not encoded in UTF-8. Save it as UTF-8.") from exc


def _blocks(source: str) -> Iterator[Block]:
    lines: list[str] = []
    fence = ""
    for line in _NEWLINE.split(source):
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        heading = None if fence else _HEADING.match(line)  # in code, # begins a comment
        if heading:
            yield Block("\n".join(lines))
            yield Block(line, level=len(heading[1]))
            lines = []
        else:
            lines.append(line)
    yield Block("\n".join(lines))
