"""Tests of the pages outside the documentation, as in the repository's root: links and make targets exist."""

import re
from pathlib import Path

import pytest
import yaml

from tools.version import REPOSITORY

FRAGMENTS = [page for page in (REPOSITORY / "changelog.d").glob("*.md") if page.name != "README.md"]
PAGES = [
    page
    for folder in (".", "changelog.d", ".github", "charts/tenantry")
    for page in sorted((REPOSITORY / folder).glob("*.md"))
    if page not in FRAGMENTS
]


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


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda fragment: fragment.name)
def test_a_changelog_fragment_has_no_link(fragment: Path) -> None:
    """A release moves fragments to CHANGELOG.md, which is also a page of the docs: no link works in both."""
    assert "](" not in fragment.read_text()


@pytest.mark.parametrize("form", sorted((REPOSITORY / ".github").rglob("*.y*ml")), ids=lambda form: form.name)
def test_each_file_for_github_is_valid_yaml(form: Path) -> None:
    assert yaml.safe_load(form.read_text())
