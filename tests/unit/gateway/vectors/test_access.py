"""Tests of the tokens for Qdrant."""

import time
from typing import Any

import pytest
from gateway.vectors.access import TOKEN_TTL_SECONDS, limit_token_scope, sign_token
from joserfc import jwt
from joserfc.jwk import OctKey

KEY = OctKey.import_key("the-api-key-of-qdrant")


def sign_and_read_access() -> Any:
    """Sign a token for the current scope and return its access claim."""
    claims = jwt.decode(sign_token(KEY), KEY, algorithms=["HS256"]).claims
    assert 0 < claims["exp"] - time.time() <= TOKEN_TTL_SECONDS
    return claims["access"]


def test_a_token_opens_the_collection_of_the_request() -> None:
    with limit_token_scope("shared", "rw"):
        with limit_token_scope("acme", "r"):
            assert sign_and_read_access() == [{"collection": "acme", "access": "r"}]
        assert sign_and_read_access() == [{"collection": "shared", "access": "rw"}]


def test_after_a_request_no_token_is_signed() -> None:
    with pytest.raises(ZeroDivisionError), limit_token_scope("acme", "rw"):
        _ = 1 / 0
    with pytest.raises(LookupError):
        sign_token(KEY)
