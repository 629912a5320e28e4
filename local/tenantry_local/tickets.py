"""Key pair with which this platform's services sign tickets."""

import json
import threading
from pathlib import Path

from joserfc.jwk import OKPKey

from .context import write_private

__all__ = ["ensure_key_set", "ensure_private_key"]

_CREATE_LOCK = threading.Lock()
"""Held while the pair is created: gateway and file-sync start concurrently and must share one pair."""


def ensure_private_key(state: Path) -> Path:
    """Return the file of the private key, an Ed25519 JWK; create the pair if it is missing."""
    path = state / "tickets" / "private.jwk"
    with _CREATE_LOCK:
        if not path.exists():
            key = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
            write_private(path.with_name("jwks.json"), json.dumps({"keys": [key.as_dict(private=False)]}))
            write_private(path, json.dumps(key.as_dict(private=True)))
    return path


def ensure_key_set(state: Path) -> Path:
    """Return the file of the public keys, a JSON Web Key Set."""
    return ensure_private_key(state).with_name("jwks.json")
