"""What an error of the Redis client means, the same for everybody who talks to Redis."""

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from .remote import Fault

__all__ = ["classify"]


def classify(exc: Exception) -> Fault | None:
    """Say what an error means for the next attempt; ``None`` when it is none of Redis."""
    match exc:
        case AuthenticationError() | ResponseError():
            return Fault.PERMANENT
        case RedisError() | OSError():
            return Fault.TRANSIENT
        case _:
            return None
