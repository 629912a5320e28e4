"""Check of the language of tracked files: ``python -m tools.word_check [PATH ...]``. ``make lint`` runs it.

It reports each avoided word (``avoided_words.txt``, next to this module) and each docstring that begins with
a question word. CONTRIBUTING.md has the rules. Vale does not fit because its package downloads a program from
elsewhere, proselint because it takes no word list.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .version import REPOSITORY

__all__ = ["check_text", "list_texts", "main", "read_avoided_words"]

QUESTION_WORDS = ("What", "Who", "Whose", "Where", "Whether", "How", "Why")

NOT_PROSE = (
    "tools/avoided_words.txt",
    "LICENSE",
    "requirements/",  # hashes
    "local/n8n/package-lock.json",
    "local/tenantry_local/standins/bedrock/stop_words.txt",
    "tests/unit/tools/test_word_check.py",  # examples of findings
    "tests/bench/samples/",  # documents that users could upload
)

AvoidedWords = list[tuple[re.Pattern[str], str]]


def read_avoided_words() -> AvoidedWords:
    """Return each avoided word as a pattern, with its replacement.

    A match has no letter next to it.
    """
    lines = (Path(__file__).parent / "avoided_words.txt").read_text().splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [
        (re.compile(rf"(?<![a-z])(?:{word})(?![a-z])".replace(" ", r"\s"), re.IGNORECASE), instead)
        for word, instead in pairs
    ]


def check_text(name: str, text: str, avoided: AvoidedWords) -> Iterator[str]:
    """Yield one line for each finding in a file: its place, the word and the replacement."""
    # A word that continues on the next line of a comment or paragraph is found as well.
    joined = re.sub(r"[ \t]*\n[ \t]*(?:[#>*][ \t]+)?", "\n", text)
    # Identifiers become words, so that a phrase is found in snake_case and in CamelCase.
    joined = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", joined)
    for pattern, instead in avoided:
        for match in pattern.finditer(joined):
            line = joined.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: {' '.join(match[0].split())!r}; write: {instead}"
    if name.endswith(".py"):
        yield from _check_docstrings(name, text)


def _check_docstrings(name: str, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = (ast.get_docstring(node) or "").split(maxsplit=1)
            if words and words[0] in QUESTION_WORDS:
                line = node.body[0].lineno
                yield f"{name}:{line}: a docstring begins with {words[0]}; write what it does or holds"


def list_texts(paths: list[str]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each tracked file with prose, all or those below ``paths``."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *paths],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(NOT_PROSE):
            # Other files: an image, a file whose removal is not committed yet, or a link to a folder.
            with suppress(UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                yield name, (REPOSITORY / name).read_text()


def main(paths: list[str]) -> int:
    """Print the findings in tracked files, all or those below ``paths``; return the exit status."""
    avoided = read_avoided_words()
    findings = [finding for name, text in list_texts(paths) for finding in check_text(name, text, avoided)]
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    if findings:
        sys.stderr.write(f"{len(findings)} findings. CONTRIBUTING.md has the rules.\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
