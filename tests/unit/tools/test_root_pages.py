"""Tests of the pages in the repository's root: links and make targets exist."""

import re
from pathlib import Path

import pytest

from tools.version import REPOSITORY

PAGES = [
    page for folder in (".", "changelog.d", ".github") for page in sorted((REPOSITORY / folder).glob("*.md"))
]
PAGES = [page for page in PAGES if not page.name.startswith("+")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_linked_file_exists(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"(?:^ *|`)make (?:-s )?([a-z0-9][a-z0-9 -]*)", page.read_text(), re.MULTILINE)
    named = {name for command in commands for name in re.split(r" {2,}| #", command)[0].split()}
    assert named <= targets, named - targets
