"""Creation of a backup: a snapshot of each collection on each peer.

The job can be killed at any point and run again. It streams each snapshot, so its memory does not grow with
the collections.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import httpx
import structlog

from .backups import Backups, Manifest, StoredSnapshot
from .errors import IncompleteSnapshot
from .qdrant import RETRY, WRITE_SNAPSHOT_TIMEOUT_SECONDS, Peer, QdrantCluster, SnapshotDescription
from .streams import HashingReader

__all__ = ["create_backup"]

PENDING = ".pending"
"""End of the name of a record in the bucket: a snapshot may have been left on a peer's volume."""

CLOCK_SKEW = timedelta(minutes=1)

log = structlog.get_logger("qdrant_snapshots")


def create_backup(qdrant: QdrantCluster, backups: Backups, *, keep: int, now: datetime) -> Manifest | None:
    """Save all collections of all peers, then delete old backups.

    Returns
    -------
    Manifest | None
        The manifest; ``None`` if there is no collection. Then no backup is made, and none is deleted.

    Raises
    ------
    httpx.HTTPError, IncompleteSnapshot
        A peer failed repeatedly. The backup stays incomplete, and no other backup is deleted.
    """
    backup = f"{now:%Y%m%dT%H%M%SZ}"
    peers, collections = qdrant.list_peers(), qdrant.list_collections()
    aborted = backups.abort_uploads()
    removed = _delete_leftovers(qdrant, backups, peers)
    log.info(
        "Backup started",
        backup=backup,
        peers=len(peers),
        collections=len(collections),
        aborted_uploads=aborted,
        deleted_leftovers=removed,
    )
    snapshots = [
        stored
        for peer in peers
        for collection in collections
        if (stored := RETRY(_save_snapshot, qdrant, backups, backup, peer, collection))
    ]
    if not snapshots:
        log.info("There is no collection to save")
        return None
    manifest = Manifest(backup, qdrant.get_version(), tuple(snapshots))
    backups.complete(manifest)
    deleted = backups.prune(keep)
    total = sum(stored.size for stored in snapshots)
    log.info("Backup complete", backup=backup, snapshots=len(snapshots), bytes=total, deleted_backups=deleted)
    return manifest


def _save_snapshot(
    qdrant: QdrantCluster, backups: Backups, backup: str, peer: Peer, collection: str
) -> StoredSnapshot | None:
    """Store a snapshot of a collection on one peer; return ``None`` if the collection was deleted."""
    record = f"{backup}/{peer.host}/{collection}{PENDING}"
    existing = [snapshot.name for snapshot in qdrant.list_snapshots(peer, collection)]
    backups.put_json(record, {"existing": existing, "started": datetime.now(UTC).isoformat()})
    try:
        created = qdrant.create_snapshot(peer, collection)
    except httpx.HTTPStatusError as exc:
        if exc.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        backups.delete([record])
        log.info("The collection was deleted", peer=peer.host, collection=collection)
        return None
    try:
        stored = _store(qdrant, backups, backup, peer, collection, created)
    finally:
        qdrant.delete_snapshot(peer, collection, created.name)
    backups.delete([record])
    log.info("Snapshot stored", peer=peer.host, collection=collection, bytes=stored.size)
    return stored


def _store(
    qdrant: QdrantCluster,
    backups: Backups,
    backup: str,
    peer: Peer,
    collection: str,
    created: SnapshotDescription,
) -> StoredSnapshot:
    """Copy a snapshot from a peer's volume to the bucket.

    Raises
    ------
    IncompleteSnapshot
        Size or checksum of the copy are wrong.
    """
    key = backups.build_key(backup, peer.host, collection)
    with qdrant.open_snapshot(peer, collection, created.name) as content:
        reader = HashingReader(content)
        size = backups.upload(key, reader, created.size)
    if not size == reader.size == created.size or created.sha256 not in ("", reader.sha256):
        raise IncompleteSnapshot(
            f"{collection} on {peer.host} has {created.size} bytes and the checksum {created.sha256}; "
            f"{reader.size} bytes with the checksum {reader.sha256} were read, and {size} bytes are stored"
        )
    return StoredSnapshot(peer.host, collection, key, size, reader.sha256)


def _delete_leftovers(qdrant: QdrantCluster, backups: Backups, peers: Iterable[Peer]) -> int:
    """Delete the snapshots that interrupted runs left on the peers' volumes; return their number.

    Only snapshots that appeared while the run waited for its own are deleted, because people can create
    snapshots as well.
    """
    by_host = {peer.host: peer for peer in peers}
    number = 0
    for name in [name for name in backups.list_names() if name.endswith(PENDING)]:
        _, host, collection = name.removesuffix(PENDING).split("/")
        record = backups.read_json(name)
        since = datetime.fromisoformat(record["started"]) - CLOCK_SKEW
        until = since + timedelta(seconds=WRITE_SNAPSHOT_TIMEOUT_SECONDS) + 2 * CLOCK_SKEW
        if peer := by_host.get(host):
            for snapshot in qdrant.list_snapshots(peer, collection):
                if snapshot.name not in record["existing"] and since <= snapshot.created_at <= until:
                    qdrant.delete_snapshot(peer, collection, snapshot.name)
                    number += 1
        backups.delete([name])
    return number
