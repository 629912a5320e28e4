"""Tokens for requests to Qdrant, each for one collection, one access right and one minute."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

__all__ = ["authorize_check", "limit_token_scope", "sign_token"]

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
    return _sign(key, [{"collection": collection, "access": access}])


def authorize_check(api_key: SecretStr, collection: str | None) -> dict[str, str]:
    """Return the headers of a check of Qdrant that reads one collection; ``None`` for the peers' versions.

    Qdrant gives the versions only to a token that may read everything.
    """
    if not api_key.get_secret_value():
        return {}
    access = [{"collection": collection, "access": "r"}] if collection else "r"
    token = _sign(OctKey.import_key(api_key.get_secret_value()), access)
    return {"Authorization": f"Bearer {token}"}


def _sign(key: OctKey, access: object) -> str:
    claims = {"access": access, "exp": int(time.time()) + TOKEN_TTL_SECONDS}
    return jwt.encode({"alg": "HS256"}, claims, key)
