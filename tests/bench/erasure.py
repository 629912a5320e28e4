"""Benchmark of the erasure of a large tenant: deletion, the second count and the signed receipt."""

import asyncio
import json
import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from qdrant_client import models
from tenancy.names import COLLECTION, DENSE_VECTOR
from tenantry_local.parts.aws import BUCKET, FILES_BUCKET
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants, open_admin_client
from tests.support.backends.observed import Observed
from tests.support.backends.qdrant import open_qdrant
from tests.support.open_webui.observed import ObservedOpenWebUI
from tests.support.tenants.manifests import make_tenant_manifest
from tests.support.timing.waiting import wait_until

from .report import Figure

__all__ = ["measure"]

TENANT = "large"
DOCUMENTS = 10_000
CHUNKS = 4
"""Points per document."""

DIMENSIONS = 768
GOAL_SECONDS = 60
CONTENT = b"x" * 2000


async def measure(platform: Platform) -> list[Figure]:
    """Create documents of a Tenant in every store, delete the Tenant, and measure until it is gone."""
    manifest = make_tenant_manifest(
        TENANT, deletionPolicy="Delete", identity={"emails": [f"*@{TENANT}.example"]}
    )
    with (
        open_admin_client(platform) as api,
        closing(Observed(platform)) as observed,
        closing(ObservedOpenWebUI(platform)) as webui,
    ):
        tenants = Tenants(api)
        uid = str((await asyncio.to_thread(tenants.create, manifest))["metadata"]["uid"])
        await wait_until(lambda: asyncio.to_thread(_is_ready, tenants), seconds=120)
        await asyncio.to_thread(_create_documents, observed, webui, uid)
        await _create_points(platform, uid)
        started = time.monotonic()
        await asyncio.to_thread(tenants.delete, TENANT)
        await wait_until(lambda: asyncio.to_thread(_is_gone, tenants), seconds=600, every=0.5)
        seconds = time.monotonic() - started
        _require_complete_receipt(observed, uid)
    note = f"{DOCUMENTS:,} documents of {CHUNKS} points, with their files in Open WebUI"
    return [Figure("erasure of a tenant, with its receipt", seconds, "s", GOAL_SECONDS, note=note)]


def _create_documents(observed: Observed, webui: ObservedOpenWebUI, uid: str) -> None:
    base, owner = webui.get_base(TENANT)["id"], webui.call("GET", "/auths/")["id"]
    prefix = str(uuid.uuid4())[:24]  # the file's number is the end of its id
    ids = [f"{prefix}{number:012x}" for number in range(DOCUMENTS)]

    def put(file_id: str) -> None:
        key = f"tenant-{TENANT}/finance/documents/owui-{file_id}/a.txt"
        observed.s3.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
        observed.s3.put_object(Bucket=FILES_BUCKET, Key=f"{file_id}_a.txt", Body=CONTENT)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, ids))
    webui.run_sql(
        f"""
        insert into file (id, user_id, filename, path, data, meta, created_at, updated_at)
          select '{prefix}' || lpad(to_hex(n), 12, '0'), '{owner}', 'a.txt',
            's3://{FILES_BUCKET}/{prefix}' || lpad(to_hex(n), 12, '0') || '_a.txt', '{{}}', '{{}}', 1, 1
          from generate_series(0, {DOCUMENTS - 1}) n;
        insert into knowledge_file (id, knowledge_id, file_id, user_id, created_at, updated_at)
          select gen_random_uuid(), '{base}', '{prefix}' || lpad(to_hex(n), 12, '0'), '{owner}', 1, 1
          from generate_series(0, {DOCUMENTS - 1}) n;
        """
    )
    pipe = observed.redis.pipeline()
    for each in ids:
        pipe.hset(f"tenant-{TENANT}:{uid}:document:{each}", "size", "2000")
    pipe.execute()


async def _create_points(platform: Platform, uid: str) -> None:
    draw = random.Random(1)
    async with open_qdrant(platform) as qdrant:
        for first in range(0, DOCUMENTS * CHUNKS, 1000):
            await qdrant.upsert(
                COLLECTION,
                [_make_point(draw, number, uid) for number in range(first, first + 1000)],
                wait=True,
            )


def _make_point(draw: random.Random, number: int, uid: str) -> models.PointStruct:
    payload: dict[str, Any] = {
        "tenantId": f"tenant-{TENANT}",
        "tenantUid": uid,
        "personaId": "finance",
        "documentId": f"document-{number // CHUNKS}",
        "text": "x" * 500,
    }
    vector: dict[str, Any] = {DENSE_VECTOR: [draw.random() for _ in range(DIMENSIONS)]}
    return models.PointStruct(id=str(uuid.uuid4()), vector=vector, payload=payload)


def _is_ready(tenants: Tenants) -> bool:
    conditions = (tenants.get(TENANT) or {}).get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _is_gone(tenants: Tenants) -> bool:
    return tenants.get(TENANT) is None


def _require_complete_receipt(observed: Observed, uid: str) -> None:
    """Raise unless the receipt counts all created data before the deletion, and no data after it."""
    key = f"receipts/erasure/tenant-{TENANT}/{uid}.json"
    stores = json.loads(observed.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())["stores"]
    before = {store["store"]: sum(store["before"].values()) for store in stores}
    created = {
        "storage": DOCUMENTS,
        "vectors": DOCUMENTS * CHUNKS,
        "quota": DOCUMENTS,
        "workspace": DOCUMENTS,
    }
    assert all(before[store] >= count for store, count in created.items()), before
    assert not any(sum(store["after"].values()) for store in stores), stores
