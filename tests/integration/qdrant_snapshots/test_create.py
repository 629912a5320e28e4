"""Tests of creating backups: crashes at every call, retention, and bounded memory, with real S3."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stamina
from botocore.client import BaseClient
from qdrant_snapshots.backups import Backups
from qdrant_snapshots.create import create_backup
from qdrant_snapshots.errors import IncompleteSnapshot
from qdrant_snapshots.qdrant import QdrantCluster, open_qdrant
from qdrant_snapshots.streams import Readable
from tenancy.names import COLLECTION
from tenantry_local.parts.aws import BUCKET

from tests.support.faults.crashes import ProcessKilled
from tests.support.programs.standins import QDRANT_KEY
from tests.support.tenants.manifests import make_tenant

from .conftest import PREFIX, IndexedDocuments

TENANT = make_tenant("snap-a")
make_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]

NOW = datetime(2026, 11, 29, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _retry_immediately() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


@pytest.fixture
async def filled(index: IndexedDocuments) -> IndexedDocuments:
    await index.create_collection(TENANT)
    for number in range(3):
        index.add_document(TENANT, f"snap-a-{number}", "x" * 1000)
    return index


def create_next_backup(qdrant: QdrantCluster, backups: Backups, week: int, keep: int = 4) -> str:
    manifest = create_backup(qdrant, backups, keep=keep, now=NOW + timedelta(weeks=week))
    assert manifest
    return manifest.backup


def list_leftovers(index: IndexedDocuments) -> list[str]:
    """Return what interrupted runs left: snapshots on the volume, parts of uploads, and records."""
    uploads = index.aws.s3.list_multipart_uploads(Bucket=BUCKET, Prefix=PREFIX).get("Uploads", [])
    names = [listed["Key"] for listed in list_objects(index) if listed["Key"].endswith(".pending")]
    snapshots = [snapshot.name for snapshot in index.client.list_snapshots(COLLECTION)]
    return [*snapshots, *(upload["Key"] for upload in uploads), *names]


def list_objects(index: IndexedDocuments) -> list[Any]:
    return list(index.aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX).get("Contents", []))


async def test_a_backup_has_the_size_and_checksum_of_each_snapshot(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    manifest = backups.read_manifest(create_next_backup(qdrant, backups, 0))
    (snapshot,) = manifest.snapshots
    stored = filled.aws.s3.head_object(Bucket=BUCKET, Key=snapshot.key)
    assert snapshot.size == stored["ContentLength"] > 1000
    assert len(snapshot.sha256) == 64
    assert snapshot.key.startswith(PREFIX)
    assert manifest.version == qdrant.get_version()
    assert list_leftovers(filled) == []


async def test_the_newest_backups_are_kept(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    made = [create_next_backup(qdrant, backups, week) for week in range(6)]
    assert backups.list_complete() == made[-4:]
    assert len(list_objects(filled)) == 4 * 2
    assert create_next_backup(qdrant, backups, 6, keep=1) == "20270110T030000Z"
    assert backups.list_complete() == ["20270110T030000Z"]


async def test_without_a_collection_no_backup_is_made_or_deleted(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    made = create_next_backup(qdrant, backups, 0)
    filled.client.delete_collection(COLLECTION)
    for week in range(1, 6):
        assert create_backup(qdrant, backups, keep=1, now=NOW + timedelta(weeks=week)) is None
    assert backups.list_complete() == [made]


class Killer:
    """Ends the process at the call with a number; counts the calls to Qdrant and S3."""

    def __init__(self, last: int, *, after: bool) -> None:
        self._last, self._after, self.calls = last, after, 0

    def watch(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def call_watched(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls > self._last or (self.calls == self._last and not self._after):
                raise ProcessKilled
            result = call(*arguments, **options)
            if self.calls == self._last:
                raise ProcessKilled
            return result

        return call_watched


@contextmanager
def crash_at(number: int, *, after: bool) -> Iterator[Killer]:
    killer = Killer(number, after=after)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.Client, "send", killer.watch(httpx.Client.send))
        patch.setattr("botocore.client.BaseClient._make_api_call", killer.watch(make_api_call))
        yield killer


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
async def test_a_crash_at_any_call_leaves_a_good_backup_and_nothing_else(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups, *, after: bool
) -> None:
    first = create_next_backup(qdrant, backups, 0, keep=1)
    number, crashed = 0, True
    while crashed:
        number += 1
        week = 2 * number
        good = backups.list_complete()
        with crash_at(number, after=after) as killer:
            try:
                create_next_backup(qdrant, backups, week, keep=1)
                crashed = False
            except ProcessKilled:
                pass
        complete = backups.list_complete()
        assert complete, f"no backup is left after call {killer.calls}"
        assert set(complete) <= {*good, f"{NOW + timedelta(weeks=week):%Y%m%dT%H%M%SZ}"}
        for backup in complete:
            for snapshot in backups.read_manifest(backup).snapshots:
                stored = filled.aws.s3.head_object(Bucket=BUCKET, Key=snapshot.key)
                assert stored["ContentLength"] == snapshot.size
        create_next_backup(qdrant, backups, week + 1, keep=1)
        assert list_leftovers(filled) == []
        assert len(list_objects(filled)) == 2
    assert number > 10
    assert first not in backups.list_complete()


async def test_a_snapshot_that_a_person_created_stays(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups
) -> None:
    own = filled.client.create_snapshot(COLLECTION)
    assert own
    (peer,) = qdrant.list_peers()
    for age in (timedelta(days=2), timedelta(0)):
        started = datetime.now(UTC) - age
        existing = [] if age else [own.name]
        record = f"20260101T000000Z/{peer.host}/{COLLECTION}.pending"
        backups.put_json(record, {"existing": existing, "started": started.isoformat()})
        create_next_backup(qdrant, backups, 0)
        assert [each.name for each in filled.client.list_snapshots(COLLECTION)] == [own.name]


async def test_a_truncated_download_is_repeated_and_then_fails(
    filled: IndexedDocuments, qdrant: QdrantCluster, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = create_next_backup(qdrant, backups, 0)
    opened = []
    original = QdrantCluster.open_snapshot

    @contextmanager
    def truncate(self: QdrantCluster, *arguments: Any) -> Iterator[Readable]:
        opened.append(arguments)
        with original(self, *arguments) as content:
            content.read(10)
            yield content

    monkeypatch.setattr(QdrantCluster, "open_snapshot", truncate)
    with pytest.raises(IncompleteSnapshot, match="are stored"):
        create_next_backup(qdrant, backups, 1)
    assert len(opened) == 4
    assert backups.list_complete() == [good]
    assert filled.client.list_snapshots(COLLECTION) == []


async def test_memory_does_not_grow_with_the_snapshot(
    filled: IndexedDocuments, backups: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 200 * 1024**2

    class Zeros:
        left = size

        def read(self, wanted: int = -1, /) -> bytes:
            taken = min(wanted, self.left)
            self.left -= taken
            return bytes(taken)

    tracemalloc.start()
    try:
        assert backups.upload(backups.build_key("20261129T030000Z", "peer", "large"), Zeros(), size) == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 * 1024**2
    assert filled.standin.process.poll() is None


async def test_an_unavailable_peer_fails_after_bounded_retries(
    filled: IndexedDocuments, backups: Backups
) -> None:
    filled.standin.kill()
    with (
        open_qdrant(filled.standin.url, QDRANT_KEY, verify=True) as qdrant,
        pytest.raises(httpx.ConnectError),
    ):
        create_next_backup(qdrant, backups, 0)
    assert backups.list_complete() == []
