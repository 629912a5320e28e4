"""Signed receipts of erasure, with the counts of each store before and after.

A receipt is one JSON object. Its member ``signature`` has an Ed25519 signature over all other members in
the canonical form of RFC 8785. All numbers in a receipt are integers and all names are ASCII. For such
objects, the canonical form is Python's compact JSON with sorted names.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

__all__ = [
    "ErasureReceipt",
    "NotScanned",
    "PrivateKeyFile",
    "ReceiptInvalid",
    "Store",
    "TenantIdentity",
    "parse",
    "read_private_key",
    "read_public_key",
    "read_signed",
    "sign",
    "verify",
    "verify_file",
]

ALGORITHM = "Ed25519"
_SIGNATURE_MEMBERS = {"algorithm", "keyId", "value"}


class ReceiptInvalid(Exception):
    """A receipt or key is not valid; the message is a sentence with the reason."""


class _Section(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class TenantIdentity(_Section):
    """Identity of the erased Tenant. Two Tenants of the same name differ by uid."""

    id: str
    key: str
    uid: str


class Store(_Section):
    """Counts of one store, by the kind of the counted items."""

    store: str
    before: dict[str, int]
    after: dict[str, int] | None = None
    counted_before: str
    counted_after: str | None = None


class NotScanned(_Section):
    """Store that was not scanned, and the reason."""

    store: str
    reason: str


class ErasureReceipt(_Section):
    """Signed content of a receipt. Times are RFC 3339 in UTC."""

    format: Literal["tenantry.io/erasure-receipt/v1"] = "tenantry.io/erasure-receipt/v1"
    tenant: TenantIdentity
    deletion_requested: str
    finished: str | None = None
    stores: list[Store] = Field(min_length=1)
    not_scanned: list[NotScanned] = Field(default_factory=list)

    @property
    def remaining(self) -> dict[str, int]:
        """Items left in each store; a store that was not counted again has at least one."""
        return {
            store.store: sum(store.after.values()) if store.after is not None else 1
            for store in self.stores
            if store.after is None or any(store.after.values())
        }


def sign(receipt: ErasureReceipt, key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return a receipt as JSON, with its signature."""
    body = receipt.model_dump(by_alias=True)
    return body | {
        "signature": {
            "algorithm": ALGORITHM,
            "keyId": _get_key_id(key.public_key()),
            "value": base64.b64encode(key.sign(_encode_canonical(body))).decode(),
        }
    }


def parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a file without a check of its signature.

    Raises
    ------
    ReceiptInvalid
        The file is no JSON object, or an object in it repeats a member, which programs read differently.
    """
    try:
        document = json.loads(body, object_pairs_hook=_reject_duplicates)
    except RecursionError:
        raise ReceiptInvalid("It is nested too deeply.") from None
    except ValueError:
        raise ReceiptInvalid("It is no JSON.") from None
    if not isinstance(document, dict):
        raise ReceiptInvalid("It is no JSON object.")
    return document


def read_signed(document: Mapping[str, Any], key: Ed25519PublicKey) -> ErasureReceipt:
    """Return a receipt, or the draft of one, with a valid signature.

    Raises
    ------
    ReceiptInvalid
        The document is no receipt, was changed, or was signed with another key.
    """
    body = dict(document)
    signature = body.pop("signature", None)
    if not isinstance(signature, dict) or signature.get("algorithm") != ALGORITHM:
        raise ReceiptInvalid(f"It has no signature with {ALGORITHM}.")
    try:
        key.verify(base64.b64decode(str(signature.get("value")), validate=True), _encode_canonical(body))
    except (InvalidSignature, binascii.Error, TypeError, ValueError):
        other = signature.get("keyId") != _get_key_id(key)
        reason = "another key signed it" if other else "it was changed after it was signed"
        raise ReceiptInvalid(f"The signature is not valid: {reason}.") from None
    if signature.get("keyId") != _get_key_id(key) or signature.keys() != _SIGNATURE_MEMBERS:
        raise ReceiptInvalid("The signature is valid, but its other members were changed.")
    try:
        return ErasureReceipt.model_validate(body)
    except ValidationError as exc:
        raise ReceiptInvalid(
            f"It is signed, but no receipt of this version: {exc.error_count()} faults."
        ) from None


def verify(document: Mapping[str, Any], key: Ed25519PublicKey) -> ErasureReceipt:
    """Return a receipt with a valid signature and a complete erasure.

    Raises
    ------
    ReceiptInvalid
        The document is no receipt, was changed, or was signed with another key; or the erasure is incomplete.
    """
    receipt = read_signed(document, key)
    if receipt.remaining or receipt.finished is None:
        left = ", ".join(sorted(receipt.remaining)) or "the erasure itself"
        raise ReceiptInvalid(f"It is signed, but the erasure was not complete: {left}.")
    return receipt


def verify_file(file: Path, public_key: Path) -> str:
    """Verify a receipt and return a sentence about it.

    Raises
    ------
    ReceiptInvalid
        The receipt is not valid, or a file cannot be read.
    """
    try:
        body = file.read_bytes()
    except OSError as exc:
        raise ReceiptInvalid(f"{file} cannot be read: {exc.strerror}.") from None
    try:
        document = parse(body)
    except ReceiptInvalid as exc:
        raise ReceiptInvalid(f"{file} contains no receipt. {exc}") from None
    receipt = verify(document, read_public_key(public_key))
    counted = sum(sum(store.before.values()) for store in receipt.stores)
    tenant = receipt.tenant
    return (
        f"Valid: Tenant {tenant.id} (uid {tenant.uid}) had {counted} items in "
        f"{len(receipt.stores)} stores before the erasure, and none at {receipt.finished}."
    )


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key of a PEM file.

    Raises
    ------
    ReceiptInvalid
        The file cannot be read, or contains no Ed25519 public key.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as exc:
        raise ReceiptInvalid(f"{path} cannot be read: {exc.strerror}.") from None
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ReceiptInvalid(f"{path} contains no Ed25519 public key in PEM.")
    return key


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key of a PEM file without a password.

    Raises
    ------
    ValueError
        The file cannot be read, or contains no Ed25519 private key.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from None
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} contains no Ed25519 private key in PEM without a password")  # noqa: TRY004
    return key


def _validate(path: Path) -> Path:
    read_private_key(path)
    return path


PrivateKeyFile = Annotated[Path, AfterValidator(_validate)]
"""Path of a PEM file in a setting, which is refused unless the file has a key that can sign receipts."""


def _reject_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(members)
    if len(body) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ReceiptInvalid(f"It has the member {twice[:40]!r} twice in one object.")
    return body


def _encode_canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(
        body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _get_key_id(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]
