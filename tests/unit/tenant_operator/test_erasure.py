"""Tests of erasure receipts: counts before and after a deletion, and recovery after a crash."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant
from tenancy.receipts import ErasureReceipt, ReceiptInvalid, verify
from tenant_operator.__main__ import main
from tenant_operator.disabled_part import DisabledPart
from tenant_operator.erasure import Erasure
from tenant_operator.reconcile import Reconciler
from typing_extensions import override

from tests.support.fakes.operator_parts import FakePart, FakeReceipts, FakeWriter, add_finalizer
from tests.support.faults.crashes import ProcessKilled
from tests.support.tenants.manifests import make_tenant

KEY = Ed25519PrivateKey.generate()
RECEIPT = "receipts/erasure/tenant-acme/uid-acme.json"
UNAVAILABLE = BackendUnavailable("s3", "put-receipt", "unavailable")


class ErasureHarness:
    """Reconciler with parts that hold data, and a receipt store."""

    def __init__(self, key: Ed25519PrivateKey | None = KEY, **holds: int) -> None:
        self.log: list[str] = []
        self.parts = [FakePart(name, self.log) for name in ("storage", "vectors")]
        for part in self.parts:
            part.holds = holds.get(part.name, 0)
        self.writer = FakeWriter(self.log)
        self.receipts = FakeReceipts(self.log)
        self.seconds = 0
        disabled = [DisabledPart("workspace", "OPERATOR_OPEN_WEBUI_URL is not set")]
        erasure = Erasure(self.parts, disabled, self.receipts, key, self.format_now)
        self.reconciler = Reconciler(
            self.parts, self.writer, finish_writes, erasure, lambda _: None, self.format_now, lambda _: None
        )

    def format_now(self) -> str:
        self.seconds += 1
        return f"2026-11-29T22:00:{self.seconds:02}Z"

    async def delete(self, policy: str = "Delete") -> str:
        """Reconcile the deleted Tenant once; return the name of the outcome."""
        self.log.clear()
        return (await self.reconciler.reconcile(make_deleted_tenant(policy))).name

    @property
    def written(self) -> dict[str, Any]:
        written: dict[str, Any] = json.loads(self.receipts.objects[RECEIPT])
        return written

    @property
    def receipt(self) -> ErasureReceipt:
        return verify(self.written, KEY.public_key())

    def get_counts(self) -> dict[str, tuple[int, int]]:
        """Return the counts of each store before and after."""
        return {
            store.store: (sum(store.before.values()), sum((store.after or {}).values()))
            for store in self.receipt.stores
        }


async def finish_writes(_: Tenant) -> None:
    """Return immediately: no write is running."""


def make_deleted_tenant(policy: str) -> Tenant:
    return add_finalizer(make_tenant("acme", deleting=True, deletionPolicy=policy))


async def test_data_is_counted_before_and_after_the_removal_and_signed() -> None:
    harness = ErasureHarness(storage=7, vectors=40)
    assert await harness.delete() == "ready"
    assert harness.log == [
        "count storage", "count vectors", f"write {RECEIPT}", "remove storage", "remove vectors",
        "count storage", "count vectors", f"write {RECEIPT}", "remove finalizer",
    ]  # fmt: skip
    assert harness.get_counts() == {"storage": (7, 0), "vectors": (40, 0)}
    tenant = harness.receipt.tenant
    assert (tenant.id, tenant.key, tenant.uid) == ("acme", "tenant-acme", "uid-acme")
    assert harness.receipt.deletion_requested == "2026-11-23T00:00:00Z"
    (event,) = [event for event in harness.writer.events if event[1] == "Erased"]
    assert event == (
        False,
        "Erased",
        f"47 things were found before, and none after; the receipt is {RECEIPT}",
    )


async def test_the_receipt_lists_stores_that_were_not_scanned() -> None:
    harness = ErasureHarness()
    await harness.delete()
    reasons = {each.store: each.reason for each in harness.receipt.not_scanned}
    assert reasons["workspace"] == "OPERATOR_OPEN_WEBUI_URL is not set"
    assert "70 minutes" in reasons["n8n"]
    assert "docs/security.md" in reasons["backups, logs and metrics"]


async def test_remaining_data_keeps_the_tenant_and_is_named() -> None:
    harness = ErasureHarness(storage=7, vectors=40)
    harness.parts[1].keeps = 2
    assert await harness.delete() == "retrying"
    assert "remove finalizer" not in harness.log
    conditions = {c["type"]: c for c in harness.writer.status["conditions"]}
    assert conditions["StorageReady"]["status"] == "True"
    assert conditions["VectorsReady"]["reason"] == "DataRemaining"
    assert conditions["VectorsReady"]["message"] == "still there: 2 things of vectors"
    with pytest.raises(ReceiptInvalid, match="not complete"):
        verify(harness.written, KEY.public_key())
    harness.parts[1].keeps = 0
    assert await harness.delete() == "ready"
    assert harness.get_counts() == {"storage": (7, 0), "vectors": (40, 0)}


@pytest.mark.parametrize("at", range(8))
async def test_after_a_crash_at_any_step_the_receipt_has_the_first_counts(at: int) -> None:
    harness = ErasureHarness(storage=7, vectors=40)
    harness.receipts.log = harness.log = CrashingLog(at)
    harness.writer.log = harness.log
    for part in harness.parts:
        part.log = harness.log
    with pytest.raises(ProcessKilled):
        await harness.delete()
    harness.log.remaining = 1000
    assert await harness.delete() == "ready"
    assert harness.get_counts() == {"storage": (7, 0), "vectors": (40, 0)}


class CrashingLog(list[str]):
    """Log that raises instead of recording another entry when ``remaining`` is 0."""

    def __init__(self, remaining: int) -> None:
        super().__init__()
        self.remaining = remaining

    @override
    def append(self, entry: str) -> None:
        if not self.remaining:
            raise ProcessKilled
        self.remaining -= 1
        super().append(entry)


async def test_nothing_is_removed_before_the_draft_is_written() -> None:
    harness = ErasureHarness(storage=7)
    harness.receipts.fails = UNAVAILABLE
    assert await harness.delete() == "retrying"
    assert not [entry for entry in harness.log if entry.startswith("remove")]


async def test_nothing_is_removed_while_a_store_cannot_be_counted() -> None:
    harness = ErasureHarness(storage=7)
    harness.parts[1].fails = BackendUnavailable("qdrant", "count-points", "unavailable")
    assert await harness.delete() == "retrying"
    assert not [entry for entry in harness.log if entry.startswith("remove")]
    reasons = {c["type"]: c["reason"] for c in harness.writer.status["conditions"]}
    assert reasons["VectorsReady"] == "QdrantUnavailable"


async def test_a_draft_with_an_invalid_signature_is_replaced() -> None:
    harness = ErasureHarness(storage=7)
    harness.receipts.fails_at = 2
    await harness.delete()
    draft = harness.written
    draft["stores"][0]["before"] = {"things of storage": 999}
    harness.receipts.objects[RECEIPT] = json.dumps(draft).encode()
    harness.receipts.fails_at = 0
    assert await harness.delete() == "ready"
    assert harness.get_counts()["storage"][0] != 999


async def test_without_a_key_everything_is_counted_and_nothing_is_written() -> None:
    harness = ErasureHarness(key=None, storage=7)
    harness.parts[0].keeps = 1
    assert await harness.delete() == "retrying"
    harness.parts[0].keeps = 0
    assert await harness.delete() == "ready"
    assert harness.receipts.objects == {}


async def test_under_retain_nothing_is_counted_or_written() -> None:
    harness = ErasureHarness(storage=7)
    assert await harness.delete("Retain") == "ready"
    assert harness.receipts.objects == {}
    assert not [entry for entry in harness.log if entry.startswith("count")]


async def test_a_receipt_is_verified_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harness = ErasureHarness(storage=7)
    await harness.delete()
    capsys.readouterr()
    file, public = tmp_path / "receipt.json", tmp_path / "public.pem"
    file.write_bytes(harness.receipts.objects[RECEIPT])
    encoding, format_ = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(KEY.public_key().public_bytes(encoding, format_))
    main(["verify-erasure", str(file), "--public-key", str(public)])
    assert capsys.readouterr().out.startswith("Valid: Tenant acme (uid uid-acme) had 7 items in 2 stores")
    file.write_text(file.read_text().replace("acme", "other"))
    with pytest.raises(SystemExit, match="1"):
        main(["verify-erasure", str(file), "--public-key", str(public)])
    assert "changed after it was signed" in capsys.readouterr().err
