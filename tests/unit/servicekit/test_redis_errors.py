"""What an error of the Redis client means for the next attempt."""

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
from servicekit.remote import Fault


@pytest.mark.parametrize("exc", [ConnectionFailed(), TimedOut(), ConnectionResetError()], ids=repr)
def test_a_redis_that_does_not_answer_may_answer_later(exc: Exception) -> None:
    assert classify(exc) is Fault.TRANSIENT


@pytest.mark.parametrize("exc", [AuthenticationError(), NoPermissionError(), ResponseError("OOM")], ids=repr)
def test_a_redis_that_refuses_will_refuse_again(exc: Exception) -> None:
    assert classify(exc) is Fault.PERMANENT


def test_a_bug_of_ours_is_none_of_redis() -> None:
    assert classify(KeyError("x")) is None
