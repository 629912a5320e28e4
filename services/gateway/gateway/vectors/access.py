"""Tokens for requests to Qdrant, each for one collection, one access right and one minute."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from joserfc import jwt
from joserfc.jwk import OctKey

__all__ = ["limit_token_scope", "sign_token"]

TOKEN_TTL_SECONDS = 60
"""Lifetime of a token; longer than any request plus clock skew."""

_SCOPE: ContextVar[tuple[str, str]] = ContextVar("qdrant_scope")
"""Collection and access (``r`` or ``rw``) of the current request. Without it no token is signed."""


@contextmanager
def limit_token_scope(collection: str, access: str) -> Iterator[None]:
    """Limit requests inside the block to one collection, with ``access`` ``r`` or ``rw``."""
    outer = _SCOPE.set((collection, access))
    try:
        yield
    finally:
        _SCOPE.reset(outer)


def sign_token(key: OctKey) -> str:
    """Return a signed token for the current request.

    Raises
    ------
    LookupError
        The request was not made inside :func:`limit_token_scope`.
    """
    collection, access = _SCOPE.get()
    claims = {
        "access": [{"collection": collection, "access": access}],
        "exp": int(time.time()) + TOKEN_TTL_SECONDS,
    }
    return jwt.encode({"alg": "HS256"}, claims, key)
