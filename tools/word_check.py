"""Check of the language of tracked files: ``python -m tools.word_check [PATH ...]``. ``make lint`` runs it.

It reports each avoided word (``avoided_words.txt``, next to this module) and each docstring that begins with
a question word. CONTRIBUTING.md has the rules. Two existing tools do not fit: the package of Vale downloads a
program from another host, and proselint accepts no word list.
"""

import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from .prose import list_docstrings, print_findings

__all__ = ["check_text", "main", "read_avoided_words"]

QUESTION_WORDS = ("What", "Who", "Whose", "Where", "Whether", "How", "Why")

AvoidedWords = list[tuple[re.Pattern[str], str]]


def read_avoided_words() -> AvoidedWords:
    """Return a pattern for each avoided word, with the word's replacement.

    A pattern matches only whole words.
    """
    lines = (Path(__file__).parent / "avoided_words.txt").read_text().splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [
        (re.compile(rf"(?<![a-z])(?:{word})(?![a-z])".replace(" ", r"\s"), re.IGNORECASE), instead)
        for word, instead in pairs
    ]


def check_text(name: str, text: str, avoided: AvoidedWords) -> Iterator[str]:
    """Yield one line for each finding in a file: the location, the word and the replacement."""
    # Join lines, so that a phrase is found across a line break of a comment or paragraph.
    joined = re.sub(r"[ \t]*\n[ \t]*(?:[#>*][ \t]+)?", "\n", text)
    # Split identifiers into words, so that a phrase is found in snake_case and in CamelCase.
    joined = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", joined)
    for pattern, instead in avoided:
        for match in pattern.finditer(joined):
            line = joined.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: {' '.join(match[0].split())!r}; write: {instead}"
    if name.endswith(".py"):
        yield from _check_docstrings(name, text)


def _check_docstrings(name: str, text: str) -> Iterator[str]:
    for line, docstring in list_docstrings(text):
        first = docstring.split(maxsplit=1)[0]
        if first in QUESTION_WORDS:
            yield f"{name}:{line}: a docstring begins with {first}; write what it does or holds"


def main(paths: list[str]) -> int:
    """Print the findings in tracked files (below ``paths``, if given); return the exit status."""
    return print_findings(paths, functools.partial(check_text, avoided=read_avoided_words()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
