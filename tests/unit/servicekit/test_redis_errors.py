"""Tests of the classification of Redis errors."""

import pytest
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as ConnectionFailed,
)
from redis.exceptions import (
    TimeoutError as TimedOut,
)
from servicekit.redis_errors import classify
from servicekit.remote import FailureClass


@pytest.mark.parametrize("exc", [ConnectionFailed(), TimedOut(), ConnectionResetError()], ids=repr)
def test_connection_errors_are_transient(exc: Exception) -> None:
    assert classify(exc) is FailureClass.TRANSIENT


@pytest.mark.parametrize("exc", [AuthenticationError(), NoPermissionError(), ResponseError("OOM")], ids=repr)
def test_refusals_are_permanent(exc: Exception) -> None:
    assert classify(exc) is FailureClass.PERMANENT


def test_a_bug_is_not_classified() -> None:
    assert classify(KeyError("x")) is None
