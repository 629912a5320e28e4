"""Check of the length of sentences in tracked files: ``python -m tools.sentence_check [PATH ...]``.

It reads Markdown, docstrings, and comment lines of Python, YAML, TOML, SQL and the Makefile. A list item, a
table cell and a heading are each a paragraph. Code blocks have no sentences; a link counts by its text, and a
piece of code as one word.
"""

import re
import sys
from collections.abc import Iterator

from .prose import list_docstrings, print_findings

__all__ = ["MAX_LINE", "MAX_WORDS", "check_text", "main"]

MAX_WORDS = 25
MAX_LINE = 120
"""Longest line of Markdown, except in tables and code blocks."""

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_CODE = re.compile(r"(?::\w+:)?(`+).+?\1")
_END = re.compile(r"[.!?][\"')*_\]]*\s")
_FENCE = re.compile(r"\s*(```|~~~)[^`]*$")
# Bullet, number, key in the front matter of an Open WebUI function, or mark of a quotation.
_MARKER = re.compile(r"\s*(?:[-*+]|\d+\.|>|[a-z_]+:)\s+")

_COMMENT_SIGNS = {".py": "#", ".yaml": "#", ".yml": "#", ".toml": "#", "Makefile": "#", ".sql": "--"}
"""Sign before a comment line, by the end of the file's name."""

Paragraph = tuple[int, str]
"""Number of the first line, and the text."""


def check_text(name: str, text: str) -> Iterator[str]:
    """Yield a finding for each sentence, and for each line of Markdown, that is too long."""
    for number, paragraph in _list_paragraphs(name, text):
        plain = _CODE.sub("code", _LINK.sub(r"\1", paragraph))
        for sentence in _END.split(plain):
            words = sum(any(map(str.isalnum, word)) for word in sentence.split())
            if words > MAX_WORDS:
                yield f"{name}:{number}: {words} words in one sentence: {' '.join(sentence.split()[:8])} ..."
    if name.endswith(".md"):
        yield from _check_lines(name, text)


def _list_paragraphs(name: str, text: str) -> Iterator[Paragraph]:
    lines = text.splitlines()
    if name.endswith(".md"):
        yield from _split(lines)
    for suffix, sign in _COMMENT_SIGNS.items():
        if name.endswith(suffix):
            yield from _split([_get_comment(line.strip(), sign) for line in lines])
    if name.endswith(".py"):
        for first, docstring in list_docstrings(text):
            for number, paragraph in _split(docstring.splitlines()):
                yield first + number - 1, paragraph


def _get_comment(line: str, sign: str) -> str:
    return line.lstrip(sign[0]) if line.startswith(sign) else ""


def _split(lines: list[str]) -> Iterator[Paragraph]:
    """Yield the paragraphs of Markdown or of a docstring; a change of indentation begins a paragraph."""
    buffer: list[str] = []
    start = indent = 0
    for number, line in enumerate([*_blank_code(lines), ""], 1):
        marker = _MARKER.match(line)
        begins = marker is not None or len(line) - len(line.lstrip()) != indent
        if buffer and (begins or not line.strip()):
            yield start, " ".join(buffer)
            buffer = []
        if line.lstrip().startswith(("|", "#")):
            yield from ((number, cell) for cell in line.split("|"))
        elif line.strip():
            content = line[marker.end() :] if marker else line.lstrip()
            if not buffer:
                start, indent = number, len(line) - len(content)
            buffer.append(content.rstrip())


def _blank_code(lines: list[str]) -> Iterator[str]:
    """Yield the lines, with an empty line instead of each line of a fenced block."""
    fenced = False
    for line in lines:
        fence = _FENCE.match(line) is not None
        yield "" if fenced or fence else line
        fenced ^= fence


def _check_lines(name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(_blank_code(text.splitlines()), 1):
        if len(line) > MAX_LINE and not line.lstrip().startswith("|"):
            yield f"{name}:{number}: a line of {len(line)} characters; at most {MAX_LINE}"


def main(paths: list[str]) -> int:
    """Print the findings in tracked files (below ``paths``, if given); return the exit status."""
    return print_findings(paths, check_text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
