"""Classification of errors of the Redis client."""

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from .remote import FailureClass

__all__ = ["classify"]


def classify(exc: Exception) -> FailureClass | None:
    """Return the failure class of an error; ``None`` if the Redis client did not raise it."""
    match exc:
        case AuthenticationError() | ResponseError():
            return FailureClass.PERMANENT
        case RedisError() | OSError():
            return FailureClass.TRANSIENT
        case _:
            return None
