"""Tests that generated reference pages match the code."""

import functools
import re
import subprocess
from pathlib import Path

import pytest
from gateway.problems import list_problem_types
from servicekit.errors import TenantryError

from tools import (
    chart_schema,
    cost_reference,
    decisions_index,
    gateway_reference,
    identity_template,
    metrics_reference,
    problems_reference,
    settings_reference,
    tenant_reference,
    values_reference,
)
from tools.version import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if page.parent.name != "decisions")
"""All pages but the decisions, which describe the state at their date."""


@pytest.mark.parametrize(
    "page",
    [
        tenant_reference,
        settings_reference,
        gateway_reference,
        problems_reference,
        metrics_reference,
        chart_schema,
        values_reference,
        decisions_index,
        identity_template,
        cost_reference,
    ],
    ids=lambda page: page.PAGE.name,
)
def test_generated_page_is_up_to_date(page: object) -> None:
    written = page.PAGE.read_text()  # type: ignore[attr-defined]
    assert written == page.render(), "run `make reference`"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", list_problem_types(), ids=lambda kind: kind.slug)
def test_every_problem_has_a_separate_meaning_and_remedy(
    kind: type[TenantryError],
) -> None:
    own = vars(kind)
    assert own["__doc__"].splitlines()[0].endswith(".")
    assert own["remedy"].endswith(".")
    assert own["example"].endswith(".")
    assert kind.title[0].isupper()


def test_the_uri_of_a_problem_is_its_anchor_on_the_page() -> None:
    page = problems_reference.PAGE.read_text()
    for kind in list_problem_types():
        assert f"## {kind.get_uri().rpartition('/')[2]}\n" in page


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_tests_named_on_a_page_exist(page: Path) -> None:
    """The security page names tests as evidence, so a rename of a test must change the page."""
    named = set(re.findall(r"\btest_\w+", page.read_text()))
    assert named <= _list_tests(), named - _list_tests()


@pytest.mark.parametrize("page", [*PAGES, *REPOSITORY.glob("*.md")], ids=lambda page: page.stem)
def test_files_named_on_a_page_exist(page: Path) -> None:
    """A page may leave out the beginning of a path, as in `api/auth.py`."""
    named = set(re.findall(r"`(?!build/|dist/)((?:[a-z0-9_-]+/)+[a-z0-9_.-]+\.[a-z]+)", page.read_text()))
    missing = {name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in _list_files())}
    assert not missing


@functools.cache
def _list_files() -> tuple[str, ...]:
    """Return the paths of all tracked files."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    return tuple(listed.stdout.splitlines())


@functools.cache
def _list_tests() -> frozenset[str]:
    """Return the names of all tests and of their modules."""
    files = list((REPOSITORY / "tests").rglob("test_*.py"))
    functions = (name for file in files for name in re.findall(r"def (test_\w+)", file.read_text()))
    return frozenset([*functions, *(file.stem for file in files)])
