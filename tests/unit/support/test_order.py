"""Tests of the order of test files."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.pytest_setup.order import LONGEST_FILES, sort_longest_first

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class FakeItem:
    nodeid: str


def test_every_file_of_the_order_exists() -> None:
    assert [name for name in LONGEST_FILES if not (ROOT / name).is_file()] == []


def test_the_longest_files_run_first_and_others_keep_their_order() -> None:
    first, second = (FakeItem(f"{name}::test") for name in LONGEST_FILES[:2])
    other, another = FakeItem("tests/z.py::test"), FakeItem("tests/a.py::test")
    items = [other, second, another, first]
    sort_longest_first(items)
    assert items == [first, second, other, another]
