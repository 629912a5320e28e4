"""Counts before and after a deletion, what a kill between leaves, and which store holds a Tenant up."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from servicekit.errors import RemoteUnavailable
from tenancy.model import Tenant
from tenancy.receipts import ErasureReceipt, ReceiptInvalid, verify
from tenant_operator.__main__ import main
from tenant_operator.disabled_part import AbsentPart
from tenant_operator.erasure import Erasure
from tenant_operator.reconcile import Reconciler
from typing_extensions import override

from tests.support.operator import FakePart, FakeReceipts, FakeWriter, with_finalizer
from tests.support.tenants import make_tenant

KEY = Ed25519PrivateKey.generate()
RECEIPT = "receipts/erasure/tenant-acme/uid-acme.json"
AWAY = RemoteUnavailable("s3", "put-receipt", "away")


class Killed(Exception):
    """The process dies here."""


class Stage:
    """A reconciler with parts that hold something, and a bucket for receipts."""

    def __init__(self, key: Ed25519PrivateKey | None = KEY, **holds: int) -> None:
        self.log: list[str] = []
        self.parts = [FakePart(name, self.log) for name in ("storage", "vectors")]
        for part in self.parts:
            part.holds = holds.get(part.name, 0)
        self.writer = FakeWriter(self.log)
        self.receipts = FakeReceipts(self.log)
        self.seconds = 0
        parts: list[Any] = [*self.parts, AbsentPart("workspace", "OPERATOR_OPEN_WEBUI_URL is not set")]
        erasure = Erasure(parts, self.receipts, key, self.now)
        self.reconciler = Reconciler(
            parts, self.writer, finish_writes, erasure, lambda _: None, self.now, lambda _: None
        )

    def now(self) -> str:
        self.seconds += 1
        return f"2026-11-29T22:00:{self.seconds:02}Z"

    async def delete(self, policy: str = "Delete") -> str:
        """Run once; return how it ended."""
        self.log.clear()
        return (await self.reconciler.reconcile(leaving(policy))).name

    @property
    def written(self) -> dict[str, Any]:
        written: dict[str, Any] = json.loads(self.receipts.objects[RECEIPT])
        return written

    @property
    def receipt(self) -> ErasureReceipt:
        return verify(self.written, KEY.public_key())

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return what each store held before and after."""
        return {
            store.store: (sum(store.before.values()), sum((store.after or {}).values()))
            for store in self.receipt.stores
        }


async def finish_writes(_: Tenant) -> None:
    """Nobody writes."""


def leaving(policy: str) -> Tenant:
    return with_finalizer(make_tenant("acme", deleting=True, deletionPolicy=policy))


async def test_everything_is_counted_before_deleted_counted_again_and_signed() -> None:
    stage = Stage(storage=7, vectors=40)
    assert await stage.delete() == "ready"
    assert stage.log == [
        "count storage", "count vectors", f"write {RECEIPT}", "remove storage", "remove vectors",
        "count storage", "count vectors", f"write {RECEIPT}", "remove finalizer",
    ]  # fmt: skip
    assert stage.counts() == {"storage": (7, 0), "vectors": (40, 0)}
    tenant = stage.receipt.tenant
    assert (tenant.id, tenant.key, tenant.uid) == ("acme", "tenant-acme", "uid-acme")
    assert stage.receipt.deletion_requested == "2026-11-23T00:00:00Z"
    (event,) = [event for event in stage.writer.events if event[1] == "Erased"]
    assert event == (
        False,
        "Erased",
        f"47 things were found before, and none after; the receipt is {RECEIPT}",
    )


async def test_the_receipt_says_what_was_not_scanned_and_why() -> None:
    stage = Stage()
    await stage.delete()
    told = {each.store: each.reason for each in stage.receipt.not_scanned}
    assert told["workspace"] == "OPERATOR_OPEN_WEBUI_URL is not set"
    assert "70 minutes" in told["n8n"]
    assert "docs/security.md" in told["backups, logs and metrics"]


async def test_a_store_that_still_has_something_holds_the_tenant_and_is_named() -> None:
    stage = Stage(storage=7, vectors=40)
    stage.parts[1].keeps = 2
    assert await stage.delete() == "retrying"
    assert "remove finalizer" not in stage.log
    told = {c["type"]: c for c in stage.writer.status["conditions"]}
    assert told["StorageReady"]["status"] == "True"
    assert told["VectorsReady"]["reason"] == "DataRemaining"
    assert told["VectorsReady"]["message"] == "still there: 2 things of vectors"
    with pytest.raises(ReceiptInvalid, match="not complete"):
        verify(stage.written, KEY.public_key())
    stage.parts[1].keeps = 0
    assert await stage.delete() == "ready"
    assert stage.counts() == {"storage": (7, 0), "vectors": (40, 0)}


@pytest.mark.parametrize("at", range(8))
async def test_killed_anywhere_the_receipt_still_says_what_there_was(at: int) -> None:
    stage = Stage(storage=7, vectors=40)
    stage.receipts.log = stage.log = Dying(at)
    stage.writer.log = stage.log
    for part in stage.parts:
        part.log = stage.log
    with pytest.raises(Killed):
        await stage.delete()
    stage.log.left = 1000
    assert await stage.delete() == "ready"
    assert stage.counts() == {"storage": (7, 0), "vectors": (40, 0)}


class Dying(list[str]):
    """A log that ends the process when too much has happened."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    @override
    def append(self, entry: str) -> None:
        if not self.left:
            raise Killed
        self.left -= 1
        super().append(entry)


async def test_nothing_is_deleted_before_the_counts_are_kept() -> None:
    stage = Stage(storage=7)
    stage.receipts.fails = AWAY
    assert await stage.delete() == "retrying"
    assert not [entry for entry in stage.log if entry.startswith("remove")]


async def test_nothing_is_deleted_while_a_store_cannot_be_counted() -> None:
    stage = Stage(storage=7)
    stage.parts[1].fails = RemoteUnavailable("qdrant", "count-points", "away")
    assert await stage.delete() == "retrying"
    assert not [entry for entry in stage.log if entry.startswith("remove")]
    reasons = {c["type"]: c["reason"] for c in stage.writer.status["conditions"]}
    assert reasons["VectorsReady"] == "QdrantUnavailable"


async def test_a_draft_that_another_key_signed_is_not_believed() -> None:
    stage = Stage(storage=7)
    stage.receipts.fails_at = 2
    await stage.delete()
    draft = stage.written
    draft["stores"][0]["before"] = {"things of storage": 999}
    stage.receipts.objects[RECEIPT] = json.dumps(draft).encode()
    stage.receipts.fails_at = 0
    assert await stage.delete() == "ready"
    assert stage.counts()["storage"][0] != 999


async def test_without_a_key_everything_is_counted_and_nothing_is_written() -> None:
    stage = Stage(key=None, storage=7)
    stage.parts[0].keeps = 1
    assert await stage.delete() == "retrying"
    stage.parts[0].keeps = 0
    assert await stage.delete() == "ready"
    assert stage.receipts.objects == {}


async def test_under_retain_nothing_is_counted_or_written() -> None:
    stage = Stage(storage=7)
    assert await stage.delete("Retain") == "ready"
    assert stage.receipts.objects == {}
    assert not [entry for entry in stage.log if entry.startswith("count")]


async def test_a_receipt_is_verified_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(storage=7)
    await stage.delete()
    capsys.readouterr()
    file, public = tmp_path / "receipt.json", tmp_path / "public.pem"
    file.write_bytes(stage.receipts.objects[RECEIPT])
    encoding, format_ = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(KEY.public_key().public_bytes(encoding, format_))
    main(["verify-erasure", str(file), "--public-key", str(public)])
    assert capsys.readouterr().out.startswith("Valid: Tenant acme (uid uid-acme) had 7 items in 2 stores")
    file.write_text(file.read_text().replace("acme", "other"))
    with pytest.raises(SystemExit, match="1"):
        main(["verify-erasure", str(file), "--public-key", str(public)])
    assert "changed after it was signed" in capsys.readouterr().err
