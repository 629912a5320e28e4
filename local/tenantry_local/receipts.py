"""Key pair with which this platform's operator signs erasure receipts."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .context import write_private

__all__ = ["ensure_private_key", "ensure_public_key"]


def ensure_private_key(state: Path) -> Path:
    """Return the PEM file of the private key; create the pair if it is missing."""
    path = state / "receipts" / "key.pem"
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(path.with_name("public.pem"), public.decode())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(path, private.decode())
    return path


def ensure_public_key(state: Path) -> Path:
    """Return the PEM file of the public key."""
    return ensure_private_key(state).with_name("public.pem")
