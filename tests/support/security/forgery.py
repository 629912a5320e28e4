"""Forged tokens and tickets for security tests."""

import base64
import hmac
import json
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey, RSAKey

__all__ = [
    "change_claims",
    "read_claims",
    "read_header",
    "remove_signature",
    "sign_with_other_key",
    "sign_with_public_key",
]


def read_claims(token: str) -> dict[str, Any]:
    """Return the claims of a token without verification."""
    claims: dict[str, Any] = json.loads(_decode(token.split(".")[1]))
    return claims


def read_header(token: str) -> dict[str, Any]:
    """Return the header of a token without verification."""
    header: dict[str, Any] = json.loads(_decode(token.split(".", maxsplit=1)[0]))
    return header


def change_claims(token: str, **claims: Any) -> str:
    """Return the token with changed claims and the original signature."""
    header, _, signature = token.split(".")
    return f"{header}.{_encode({**read_claims(token), **claims})}.{signature}"


def remove_signature(token: str, spelling: str = "none", **claims: Any) -> str:
    """Return the token with algorithm ``none`` and without a signature."""
    header = {**read_header(token), "alg": spelling}
    return f"{_encode(header)}.{_encode({**read_claims(token), **claims})}."


def sign_with_public_key(token: str, public_key: bytes, **claims: Any) -> str:
    """Return the token signed by HMAC, with the realm's public key as the secret."""
    header = {**read_header(token), "alg": "HS256"}
    signed = f"{_encode(header)}.{_encode({**read_claims(token), **claims})}"
    # Signed manually, because the library refuses this combination.
    return f"{signed}.{_encode_bytes(hmac.digest(public_key, signed.encode(), 'sha256'))}"


def sign_with_other_key(token: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return the token signed with a new key; the token's header can contain that key."""
    own = read_header(token)
    key: RSAKey | OKPKey
    key = OKPKey.generate_key("Ed25519") if own["alg"] == "Ed25519" else RSAKey.generate_key(2048)
    if header == {"jwk": ...}:
        header = {"jwk": key.as_dict(private=False)}
    fresh = {"exp": int(time.time()) + 300}
    return jwt.encode(
        {**own, **(header or {})}, {**read_claims(token), **fresh, **claims}, key, algorithms=[own["alg"]]
    )


def _encode(part: dict[str, Any]) -> str:
    return _encode_bytes(json.dumps(part).encode())


def _encode_bytes(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
