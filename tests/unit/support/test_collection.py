"""Tests of garbage collection while pytest collects the tests."""

import gc

import pytest

from tests.support.pytest_setup.collection import suspend_garbage_collection


def test_a_block_runs_without_garbage_collection() -> None:
    with suspend_garbage_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_objects_of_a_block_are_excluded_afterwards() -> None:
    with suspend_garbage_collection():
        made: list[list[int]] = [[] for _ in range(1000)]
    assert gc.get_freeze_count() > len(made)


def test_a_failed_block_enables_garbage_collection() -> None:
    with pytest.raises(ValueError, match="broken module"), suspend_garbage_collection():
        raise ValueError("broken module")
    assert gc.isenabled()
