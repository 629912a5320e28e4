"""Tests of erasure receipts: signing, verification and detection of changes."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tenancy.receipts import (
    ErasureReceipt,
    NotScanned,
    PrivateKeyFile,
    ReceiptInvalid,
    Store,
    TenantIdentity,
    read_private_key,
    sign,
    verify,
    verify_file,
)

KEY = Ed25519PrivateKey.generate()
TIME = "2026-11-29T22:00:00Z"
DONE = ErasureReceipt(
    tenant=TenantIdentity(id="acme", key="tenant-acme", uid="0b5c"),
    deletion_requested=TIME,
    finished=TIME,
    stores=[
        Store(
            store="s3", before={"versions under tenant-acme/": 7}, after={"versions under tenant-acme/": 0},
            counted_before=TIME, counted_after=TIME,
        )
    ],
    not_scanned=[NotScanned(store="n8n", reason="Büro")],
)  # fmt: skip


def format_private_pem(key: Any, password: bytes = b"") -> bytes:
    """Return a private key in PEM format."""
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return pem


def sign_receipt(receipt: ErasureReceipt = DONE) -> dict[str, Any]:
    """Return a signed receipt as parsed from a file."""
    read: dict[str, Any] = json.loads(json.dumps(sign(receipt, KEY)))
    return read


def list_paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value of a document."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    paths = []
    for name, value in inner:
        paths += list_paths(value, (*path, name)) if isinstance(value, dict | list) else [(*path, name)]
    return paths


def test_a_signed_receipt_is_valid() -> None:
    assert verify(sign_receipt(), KEY.public_key()) == DONE


@given(st.randoms())
def test_the_order_of_members_does_not_matter(shuffle: Any) -> None:
    names = list(sign_receipt().items())
    shuffle.shuffle(names)
    assert verify(dict(names), KEY.public_key()) == DONE


@pytest.mark.parametrize("path", list_paths(sign_receipt()), ids=lambda path: ".".join(map(str, path)))
def test_any_change_is_detected(path: tuple[Any, ...]) -> None:
    document = sign_receipt()
    *outer, last = path
    inside = document
    for name in outer:
        inside = inside[name]
    inside[last] = inside[last] + 1 if isinstance(inside[last], int) else f"{inside[last]}0"
    with pytest.raises(ReceiptInvalid):
        verify(document, KEY.public_key())


def test_an_addition_to_the_signature_is_detected() -> None:
    document = sign_receipt()
    document["signature"]["note"] = "and all is well"
    with pytest.raises(ReceiptInvalid, match="other members were changed"):
        verify(document, KEY.public_key())


def test_an_addition_is_detected() -> None:
    with pytest.raises(ReceiptInvalid, match=r": it was changed after it was signed\.$"):
        verify(sign_receipt() | {"note": "and all is well"}, KEY.public_key())


def test_a_signature_of_another_key_is_reported() -> None:
    with pytest.raises(ReceiptInvalid, match=r": another key signed it\.$"):
        verify(sign_receipt(), Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize("signature", [None, {}, "x", {"algorithm": "none", "value": ""}])
def test_a_receipt_with_an_invalid_signature_is_refused(signature: Any) -> None:
    with pytest.raises(ReceiptInvalid, match="no signature"):
        verify(sign_receipt() | {"signature": signature}, KEY.public_key())


def test_an_unsigned_receipt_is_refused() -> None:
    document = sign_receipt()
    del document["signature"]
    with pytest.raises(ReceiptInvalid, match="no signature"):
        verify(document, KEY.public_key())


LEFT = DONE.stores[0].model_copy(update={"after": {"versions": 1, "markers": 0}})
NOT_COUNTED = LEFT.model_copy(update={"store": "redis", "after": None})


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        ({"finished": None}, "the erasure itself"),
        ({"stores": [LEFT]}, "s3"),
        ({"stores": [DONE.stores[0], NOT_COUNTED]}, "redis"),
        ({"stores": [LEFT, NOT_COUNTED]}, "redis, s3"),
    ],
    ids=["unfinished", "something-left", "not-counted-after", "two-stores"],
)
def test_a_signed_receipt_of_an_incomplete_erasure_is_no_proof(changed: dict[str, Any], left: str) -> None:
    with pytest.raises(ReceiptInvalid, match=rf"not complete: {left}\.$"):
        verify(sign_receipt(DONE.model_copy(update=changed)), KEY.public_key())


@pytest.fixture
def public_key_file(tmp_path: Path) -> Path:
    return write(tmp_path / "public.pem", KEY.public_key())


def write(path: Path, key: Any) -> Path:
    encoding, format_ = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.public_bytes(encoding, format_))
    return path


def test_the_result_for_a_file_is_a_sentence(tmp_path: Path, public_key_file: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(sign_receipt(), indent=2))
    assert verify_file(file, public_key_file) == (
        f"Valid: Tenant acme (uid 0b5c) had 7 items in 1 stores before the erasure, and none at {TIME}."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "is no JSON object"),
        (None, "cannot be read"),
        ("[" * 200_000, "nested too deeply"),
        ('{"x":' * 200_000, "nested too deeply"),
        ("9" * 5_000, "is no JSON"),
    ],
    ids=["cut", "list", "missing", "deep-list", "deep-object", "long-number"],
)
def test_an_invalid_file_is_reported(
    text: str | None, message: str, tmp_path: Path, public_key_file: Path
) -> None:
    file = tmp_path / "receipt.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ReceiptInvalid, match=message):
        verify_file(file, public_key_file)


@pytest.mark.parametrize("depth", [500, 990, 5_000, 50_000])
def test_a_deeply_nested_receipt_is_refused(depth: int, tmp_path: Path, public_key_file: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(f'{{"deep": {"[" * depth}{"]" * depth}, {json.dumps(sign_receipt())[1:]}')
    with pytest.raises(ReceiptInvalid, match=r"nested too deeply|was changed"):
        verify_file(file, public_key_file)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{", '{"tenant": {"id": "other", "key": "tenant-other", "uid": "u"}, '),
        ("{", '{"signature": {}, '),
        ('"tenant": {', '"tenant": {"id": "other", '),
        ('"tenant": {', '"tenant": {"\\u0069d": "other", '),
    ],
    ids=["tenant", "signature", "inside", "escaped"],
)
def test_a_duplicate_member_is_refused(
    before: str, after: str, tmp_path: Path, public_key_file: Path
) -> None:
    """Programs differ in which duplicate they use, so a program could display a value that is not signed."""
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(sign_receipt()).replace(before, after, 1))
    with pytest.raises(ReceiptInvalid, match="twice in one object"):
        verify_file(file, public_key_file)


def test_a_key_of_another_type_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(sign_receipt()))
    other = write(tmp_path / "ec.pem", generate_private_key(SECP256R1()).public_key())
    with pytest.raises(ReceiptInvalid, match="no Ed25519 public key"):
        verify_file(file, other)
    with pytest.raises(ValueError, match="no Ed25519 private key"):
        read_private_key(other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"no key", "no Ed25519 private key in PEM without a password"),
        (format_private_pem(KEY, b"a password"), "no Ed25519 private key in PEM without a password"),
        (format_private_pem(generate_private_key(SECP256R1())), "no Ed25519 private key"),
    ],
    ids=["missing", "no key", "with a password", "of another kind"],
)
def test_an_unusable_signing_key_prevents_the_start(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        TypeAdapter(PrivateKeyFile).validate_python(file)


def test_a_valid_signing_key_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(format_private_pem(KEY))
    assert TypeAdapter(PrivateKeyFile).validate_python(file) == file
    document = json.loads(json.dumps(sign(DONE, read_private_key(file))))
    assert verify(document, KEY.public_key()) == DONE


@pytest.mark.parametrize("content", [None, b"no key"], ids=["missing", "no key"])
def test_an_unreadable_public_key_is_reported(content: bytes | None, tmp_path: Path) -> None:
    file, key = tmp_path / "receipt.json", tmp_path / "public.pem"
    file.write_text(json.dumps(sign_receipt()))
    if content is not None:
        key.write_bytes(content)
    with pytest.raises(ReceiptInvalid, match=r"public.pem (cannot be read|contains no Ed25519 public key)"):
        verify_file(file, key)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_openssl_verifies_a_receipt(tmp_path: Path, public_key_file: Path) -> None:
    """The documented canonical form is sufficient to verify a receipt."""
    document = sign_receipt()
    signature = base64.b64decode(document.pop("signature")["value"])
    (tmp_path / "signature").write_bytes(signature)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (tmp_path / "body").write_text(text, encoding="utf-8")
    command = [
        "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public_key_file), "-rawin",
        "-in", str(tmp_path / "body"), "-sigfile", str(tmp_path / "signature"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
