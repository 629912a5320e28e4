"""Syntax trees of all Python files of the repository, for tests of names."""

import ast
from collections.abc import Iterator

from tools.version import REPOSITORY

__all__ = ["parse_python_files"]

FOLDERS = ("services", "operator", "local", "tools", "charts", "tests", "infra")


def parse_python_files() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path below the repository and the tree of each Python file."""
    for folder in FOLDERS:
        for file in sorted((REPOSITORY / folder).rglob("*.py")):
            yield str(file.relative_to(REPOSITORY)), ast.parse(file.read_text())
