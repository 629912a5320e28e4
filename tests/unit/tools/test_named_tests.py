"""Tests and files that the docs name exist, so that a reader of the threat model finds each proof."""

import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
PAGES = sorted((REPOSITORY / "docs").rglob("*.md"))


@cache
def existing_tests() -> frozenset[str]:
    files = (REPOSITORY / "tests").rglob("*.py")
    names = (re.findall(r"def (test_\w+)", file.read_text()) for file in files)
    return frozenset(name for found in names for name in found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY / "docs")))
def test_each_named_test_exists(page: Path) -> None:
    text = page.read_text()
    missing = [name for name in re.findall(r"tests/[\w/]+\.py", text) if not (REPOSITORY / name).exists()]
    for name, end in re.findall(r"\b(test_\w+)(\.py|\.\.\.|)", text):
        if end == ".py" or f"-k {name}" in text:
            continue
        found = any(each.startswith(name) for each in existing_tests()) if end else name in existing_tests()
        if not found:
            missing.append(name)
    assert missing == []
