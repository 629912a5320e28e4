"""Classification of errors of the Redis client."""

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from .remote import Fault

__all__ = ["classify"]


def classify(exc: Exception) -> Fault | None:
    """Return the fault class of an error; ``None`` if the Redis client did not raise it."""
    match exc:
        case AuthenticationError() | ResponseError():
            return Fault.PERMANENT
        case RedisError() | OSError():
            return Fault.TRANSIENT
        case _:
            return None
