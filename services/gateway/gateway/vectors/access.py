"""The token of each request to Qdrant: it opens one collection, to read or to write, for a minute."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from joserfc import jwt
from joserfc.jwk import OctKey

__all__ = ["token_scope", "sign_token"]

TOKEN_SECONDS = 60
"""How long a token for one request holds; longer than any request, clocks apart included."""

_SCOPE: ContextVar[tuple[str, str]] = ContextVar("qdrant_scope")
"""Collection and access (``r`` or ``rw``) of the request under way. Without it no token is made."""


@contextmanager
def token_scope(collection: str, access: str) -> Iterator[None]:
    """Let requests made inside the block open one collection, with ``access`` ``r`` or ``rw``."""
    outer = _SCOPE.set((collection, access))
    try:
        yield
    finally:
        _SCOPE.reset(outer)


def sign_token(key: OctKey) -> str:
    """Return a token for the request under way.

    Raises
    ------
    LookupError
        The request was not made inside :func:`token_scope`.
    """
    collection, access = _SCOPE.get()
    claims = {
        "access": [{"collection": collection, "access": access}],
        "exp": int(time.time()) + TOKEN_SECONDS,
    }
    return jwt.encode({"alg": "HS256"}, claims, key)
