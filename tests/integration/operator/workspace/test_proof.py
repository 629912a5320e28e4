"""Tests of an erasure with a thousand markers in every store, and of its receipt."""

import json
import random
from typing import Any

import pytest
from qdrant_client import models
from tenancy.names import COLLECTION
from tenancy.receipts import read_public_key, verify, verify_file
from tenantry_local import receipts
from tenantry_local.parts.aws import BUCKET
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants
from tests.support.backends.observed import Observed
from tests.support.backends.qdrant import open_qdrant
from tests.support.documents.raw_scan import scan_stores
from tests.support.open_webui.observed import ObservedOpenWebUI

from ..conftest import Driver, OperatorHarness, get_conditions
from .test_erasure import GONE, Accounts, accounts, create_tenants, delete_tenant

__all__ = ["accounts"]

pytestmark = pytest.mark.programs

MARKER = "planted-marker"
KEY = "tenant-gone"
DOCUMENTS, POINTS, KEYS, CHATS = 300, 400, 300, 12


def create_objects(observed: Observed) -> None:
    """Store documents; every second has two versions, and every tenth a delete marker."""
    for number in range(DOCUMENTS):
        name = f"{KEY}/finance/documents/d{number}/{MARKER}-{number}.txt"
        for version in range(1 + number % 2):
            observed.s3.put_object(Bucket=BUCKET, Key=name, Body=f"{MARKER} {number} {version}".encode())
        if number % 10 == 0:
            observed.s3.delete_object(Bucket=BUCKET, Key=name)


async def create_points(platform: Platform) -> None:
    points = [
        models.PointStruct(
            id=number, vector={"dense": [random.random() for _ in range(768)]},
            payload={
                "tenantId": KEY, "personaId": "finance", "documentId": "d", "text": f"{MARKER} {number}",
            },
        )
        for number in range(POINTS)
    ]  # fmt: skip
    async with open_qdrant(platform) as qdrant:
        await qdrant.upsert(COLLECTION, points, wait=True)


def create_keys(observed: Observed) -> None:
    for number in range(KEYS):
        observed.redis.hset(f"{KEY}:journal:{number}", mapping={"text": f"{MARKER} {number}"})


def create_in_open_webui(accounts: Accounts, token: str) -> None:
    for number in range(CHATS):
        file_id = accounts.upload(token, f"{MARKER} {number} sent")
        accounts.create_chat(token, f"{KEY}.finance", f"{MARKER} {number}", file_id)
        accounts.create_feedback(token, f"{KEY}.finance", f"{MARKER} {number}")


def read_receipt(observed: Observed, uid: str) -> bytes:
    answer = observed.s3.get_object(Bucket=BUCKET, Key=f"receipts/erasure/{KEY}/{uid}.json")
    return answer["Body"].read()


@pytest.mark.timeout(900)
async def test_no_marker_remains_and_the_receipt_proves_it(
    driver: Driver,
    harness: OperatorHarness,
    tenants: Tenants,
    observed: Observed,
    accounts: Accounts,
    platform: Platform,
    webui: ObservedOpenWebUI,
    tmp_path: Any,
) -> None:
    subjects = await create_tenants(driver, harness, observed, ann="ann@gone.example")
    ann = accounts.create_account("ann@gone.example", subjects["ann"])
    await driver.reconcile("gone")
    create_objects(observed)
    await create_points(platform)
    create_keys(observed)
    create_in_open_webui(accounts, ann)
    planted = scan_stores(platform, MARKER)
    assert sum(planted.values()) >= 1000
    assert planted.keys() >= {"aws", "qdrant", "redis", "openwebui.chat", "openwebui.file", "open-webui"}
    applied = tenants.get("gone")
    assert applied
    uid = applied["metadata"]["uid"]
    await delete_tenant(driver, tenants, "gone")
    assert scan_stores(platform, MARKER) == {}
    written = read_receipt(observed, uid)
    file = tmp_path / "receipt.json"
    file.write_bytes(written)
    public = receipts.ensure_public_key(platform.context.state)
    assert verify_file(file, public).startswith("Valid: Tenant gone")
    receipt = verify(json.loads(written), read_public_key(public))
    before = {store.store: store.before for store in receipt.stores}
    assert before["storage"][f"object versions and delete markers under {KEY}/"] >= 480
    assert before["vectors"][f"points with tenantId {KEY} in every collection"] == POINTS
    assert before["quota"][f"keys {KEY}:*"] >= KEYS
    assert before["workspace"][f"chats of {KEY}"] == before["workspace"][f"files of {KEY}"] == CHATS
    assert before["workspace"][f"accounts of {KEY}"] == 1
    assert before["identity"][f"members of /tenants/{KEY}"] == 1


async def test_a_late_write_delays_the_deletion_until_it_is_removed(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    """Data written between the removal and the second count is reported, and removed by the next run."""
    harness.apply("gone", **GONE)
    await driver.reconcile("gone")
    erasure = driver.context.reconciler._erasure
    finish = erasure.finish

    async def write_then_finish(tenant: Any, draft: Any) -> Any:
        observed.redis.set(f"{KEY}:late", MARKER)
        return await finish(tenant, draft)

    tenants.delete("gone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasure, "finish", write_then_finish)
        assert (await driver.reconcile("gone")).name == "retrying"
    held = tenants.get("gone")
    assert get_conditions(held)["QuotaReady"] == ("False", "DataRemaining")
    assert "keys tenant-gone:*" in str(held)
    await driver.reconcile_until_ready("gone")
    assert tenants.get("gone") is None
    assert observed.find_data("gone") == {}


async def test_data_of_another_tenant_is_not_counted(
    driver: Driver, harness: OperatorHarness, tenants: Tenants, observed: Observed
) -> None:
    harness.apply("gone", **GONE)
    harness.apply("gone-not", **GONE | {"identity": {"emails": ["*@gone-not.example"]}})
    for name in ("gone", "gone-not"):
        await driver.reconcile(name)
    before = observed.get_state("gone-not")
    await delete_tenant(driver, tenants, "gone")
    assert observed.get_state("gone-not") == before
