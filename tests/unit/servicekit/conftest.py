"""Fixtures for the tests of servicekit."""

import pytest

from tests.support.timing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
