"""Tests of backup and restore: real S3 with the job's IAM policy, and Qdrant's REST API."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from qdrant_snapshots.backups import Backups
from qdrant_snapshots.create import create_backup
from qdrant_snapshots.errors import SnapshotsFailed
from qdrant_snapshots.qdrant import QdrantCluster
from qdrant_snapshots.restore import restore_backup
from tenancy.names import COLLECTION
from tenantry_local.platform import Platform

from tests.support.tenants.manifests import apply_tenants, make_tenant, make_tenant_manifest

from .conftest import IndexedDocuments

A, B = make_tenant("snap-a"), make_tenant("snap-b")
DEDICATED = make_tenant("snap-d", tier="dedicated")
NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)


@pytest.fixture
async def filled(index: IndexedDocuments) -> IndexedDocuments:
    """An index with documents of three tenants, one of them dedicated."""
    for tenant in (A, DEDICATED):
        await index.create_collection(tenant)
    for tenant in (A, B, DEDICATED):
        for number in range(3):
            index.add_document(tenant, f"{tenant.id}-{number}", f"text {tenant.id} {number}")
    return index


def create_next_backup(qdrant: QdrantCluster, backups: Backups, *, weeks: int = 0, keep: int = 4) -> str:
    manifest = create_backup(qdrant, backups, keep=keep, now=NOW + timedelta(weeks=weeks))
    assert manifest
    return manifest.backup


def delete_collections(index: IndexedDocuments) -> None:
    for collection in index.client.get_collections().collections:
        index.client.delete_collection(collection.name)


async def test_a_wiped_index_answers_as_before_after_a_restore(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    before = {tenant.id: filled.search(tenant) for tenant in (A, B, DEDICATED)}
    described = filled.client.get_collection(COLLECTION)
    assert all(before.values())
    create_next_backup(qdrant, backups)
    delete_collections(filled)
    restore_backup(qdrant, backups, [A, B, DEDICATED])
    assert {tenant.id: filled.search(tenant) for tenant in (A, B, DEDICATED)} == before
    restored = filled.client.get_collection(COLLECTION)
    assert restored.config == described.config
    assert restored.payload_schema == described.payload_schema


async def test_a_deleted_tenant_does_not_come_back(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    create_next_backup(qdrant, backups)
    delete_collections(filled)
    restore_backup(qdrant, backups, [A])
    assert set(filled.list_documents()) == {"snap-a-0", "snap-a-1", "snap-a-2"}
    assert [each.name for each in filled.client.get_collections().collections] == [COLLECTION]


async def test_a_recreated_tenant_gets_nothing_of_the_earlier_one(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    create_next_backup(qdrant, backups)
    delete_collections(filled)
    later = [make_tenant(tenant.id, uid="later", tier=tenant.spec.tier) for tenant in (B, DEDICATED)]
    restore_backup(qdrant, backups, [A, *later])
    assert set(filled.list_documents()) == {"snap-a-0", "snap-a-1", "snap-a-2"}
    assert filled.list_documents(DEDICATED.collection) == {}


async def test_deleted_and_changed_documents_do_not_come_back(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    create_next_backup(qdrant, backups)
    delete_collections(filled)
    filled.delete_object(A, "snap-a-0")
    filled.store(A, "snap-a-1", "a new version")
    restore_backup(qdrant, backups, [A, B, DEDICATED])
    assert set(filled.list_documents()) == {"snap-a-2", "snap-b-0", "snap-b-1", "snap-b-2"}


async def test_a_document_without_its_first_chunk_is_not_restored(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    filled.add_document(A, "torn", chunks=3)
    points, _ = filled.client.scroll(COLLECTION, limit=1000)
    (first,) = (
        point.id for point in points if point.payload and point.payload.get("documentId") == "torn"
        and point.payload["chunk"] == 0
    )  # fmt: skip
    filled.client.delete(COLLECTION, [first])
    create_next_backup(qdrant, backups)
    delete_collections(filled)
    restore_backup(qdrant, backups, [A, B])
    assert "torn" not in filled.list_documents()


async def test_a_restore_replaces_points_only_on_request(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    create_next_backup(qdrant, backups)
    filled.add_document(A, "newer")
    with pytest.raises(SnapshotsFailed, match=r"contain points: .*QDRANT_SNAPSHOTS_REPLACE=true"):
        restore_backup(qdrant, backups, [A, B, DEDICATED])
    assert "newer" in filled.list_documents()
    restore_backup(qdrant, backups, [A, B, DEDICATED], replace=True)
    assert "newer" not in filled.list_documents()


async def test_the_latest_or_the_named_backup_is_restored(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    older = create_next_backup(qdrant, backups)
    filled.add_document(A, "newer")
    create_next_backup(qdrant, backups, weeks=1)
    restore_backup(qdrant, backups, [A, B], replace=True)
    assert "newer" in filled.list_documents()
    restore_backup(qdrant, backups, [A, B], backup=older, replace=True)
    assert "newer" not in filled.list_documents()
    with pytest.raises(SnapshotsFailed, match=f"no complete backup 20200101T000000Z.*{older}"):
        restore_backup(qdrant, backups, [A], backup="20200101T000000Z")


@pytest.mark.parametrize(
    ("change", "message"),
    [((0, 1, 0), "Restore it with Qdrant"), ((0, 0, 1), "Restore it with"), ((0, 0, 0), "")],
)
async def test_only_the_same_minor_version_is_restored(
    filled: IndexedDocuments,
    qdrant: QdrantCluster,
    backups: Backups,
    change: tuple[int, int, int],
    message: str,
) -> None:
    backup = create_next_backup(qdrant, backups)
    manifest = backups.read_json(f"{backup}/manifest.json")
    version = zip(map(int, manifest["version"].split(".")), change, strict=True)
    manifest["version"] = ".".join(str(own + added) for own, added in version)
    backups.put_json(f"{backup}/manifest.json", manifest)
    delete_collections(filled)
    if message:
        with pytest.raises(SnapshotsFailed, match=message):
            restore_backup(qdrant, backups, [A, B, DEDICATED])
        assert not filled.client.get_collections().collections
    else:
        restore_backup(qdrant, backups, [A, B, DEDICATED])
        assert filled.list_documents()


async def test_a_damaged_snapshot_is_refused_and_leaves_no_point(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    backup = create_next_backup(qdrant, backups)
    (snapshot,) = [each for each in backups.read_manifest(backup).snapshots if each.collection == COLLECTION]
    backups.s3.put_object(Bucket=backups.bucket, Key=snapshot.key, Body=b"damaged")
    delete_collections(filled)
    with pytest.raises(SnapshotsFailed, match=r"refuses the snapshot of digital_twin_knowledge: .*checksum"):
        restore_backup(qdrant, backups, [A, B])
    assert COLLECTION not in {each.name for each in filled.client.get_collections().collections}


def run_job(command: str, environment: dict[str, str], **settings: str) -> list[dict[str, object]]:
    """Run a job as a program; return its log records."""
    done = subprocess.run(
        [sys.executable, "-m", "qdrant_snapshots", command],
        env={"PATH": os.environ["PATH"], **environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    records = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert records, done.stdout
    return [*records, {"exit": done.returncode}]


async def test_the_programs_read_tenants_from_the_api_server(
    filled: IndexedDocuments, environment: dict[str, str], platform: Platform
) -> None:
    with apply_tenants(platform, make_tenant_manifest("snap-real")) as tenants:
        body = tenants.get("snap-real")
        assert body
        real = make_tenant("snap-real", uid=body["metadata"]["uid"])
        filled.add_document(real, "real-0")
        created = run_job("create", environment)
        assert created[-1] == {"exit": 0}
        assert [record["event"] for record in created[:-1]].count("Snapshot stored") == 2
        delete_collections(filled)
        restored = run_job("restore", environment)
        assert restored[-1] == {"exit": 0}, restored
        assert set(filled.list_documents()) == {"real-0"}
        refused = run_job("restore", environment)
        assert refused[-1] == {"exit": 1}
        assert "contain points" in str(refused[-2]["reason"])


async def test_a_wrong_api_key_fails_with_the_reason(
    filled: IndexedDocuments, environment: dict[str, str]
) -> None:
    failed = run_job("create", environment, QDRANT_SNAPSHOTS_QDRANT_API_KEY="wrong")
    assert failed[-1] == {"exit": 1}
    assert "401" in str(failed[-2]["reason"])
