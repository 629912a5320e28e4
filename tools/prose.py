"""Reader of tracked files with prose, for the checks of words and of sentences."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from .version import REPOSITORY

__all__ = ["list_docstrings", "print_findings"]

NOT_PROSE = (
    "tools/avoided_words.txt",
    "LICENSE",
    "requirements/",  # hashes
    "local/n8n/package-lock.json",
    "local/tenantry_local/standins/bedrock/stop_words.txt",
    "tests/unit/tools/test_word_check.py",  # examples of findings
    "tests/bench/samples/",  # documents that users could upload
)


def print_findings(paths: list[str], check: Callable[[str, str], Iterable[str]]) -> int:
    """Print the findings of ``check`` in tracked files (below ``paths``, if given); return the exit status.

    ``check`` gets the name and the text of a file, and returns one line for each finding.
    """
    findings = [finding for name, text in _list_texts(paths) for finding in check(name, text)]
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    if findings:
        sys.stderr.write(f"{len(findings)} findings. CONTRIBUTING.md has the rules.\n")
    return 1 if findings else 0


def list_docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield each docstring of a Python file: the number of its first line, and its text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node.body[0].lineno, docstring


def _list_texts(paths: list[str]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each tracked file with prose (below ``paths``, if given)."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *paths],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(NOT_PROSE):
            # Skip an image, a file whose removal is not committed yet, and a link to a folder.
            with suppress(UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                yield name, (REPOSITORY / name).read_text()
