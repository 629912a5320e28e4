"""Order of test files: the longest run first.

A file runs in one process. If a long file starts last, the other processes have nothing left to do.
"""

from typing import Protocol, TypeVar

__all__ = ["LONGEST_FILES", "sort_longest_first"]

LONGEST_FILES = (
    "tests/charts/scaling/test_autoscaling.py",
    "tests/integration/operator/test_hanging.py",
    "tests/integration/gateway/test_openapi.py",
    "tests/integration/gateway/outages/test_control_plane.py",
    "tests/integration/gateway/outages/test_storage.py",
    "tests/integration/gateway/outages/test_retrieval.py",
    "tests/integration/gateway/documents/test_kill.py",
    "tests/integration/operator/test_kill_creation.py",
    "tests/integration/operator/test_kill_removal.py",
    "tests/charts/scaling/test_releases.py",
    "tests/integration/file_sync/test_kill.py",
    "tests/integration/operator/test_program_kill.py",
    "tests/integration/operator/test_life.py",
    "tests/integration/operator/test_finalizer.py",
    "tests/integration/file_sync/test_program.py",
    "tests/integration/operator/test_drift.py",
    "tests/isolation/test_xquad.py",
    "tests/integration/gateway/documents/test_repair.py",
)
"""The files that take longest, by `make integration PYTEST="python -m pytest --durations=60"`."""


class Item(Protocol):
    """A test, as pytest collects it."""

    @property
    def nodeid(self) -> str: ...


T = TypeVar("T", bound=Item)


def sort_longest_first(items: list[T]) -> None:
    """Move the tests of the longest files to the front, and leave the order of the others."""
    positions = {name: position for position, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: positions.get(item.nodeid.partition("::")[0], len(positions)))
