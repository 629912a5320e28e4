"""Restore of a backup, without what was deleted after it."""

import structlog
from tenancy.model import Tenant

from .backups import Backups, Manifest, StoredSnapshot
from .confirm import delete_unconfirmed
from .errors import SnapshotsFailed
from .qdrant import RETRY, Peer, QdrantCluster

__all__ = ["restore_backup"]

log = structlog.get_logger("qdrant_snapshots")


def restore_backup(
    qdrant: QdrantCluster, backups: Backups, tenants: list[Tenant], *, backup: str = "", replace: bool = False
) -> None:
    """Restore the collections of a backup, and keep only points of existing documents.

    Each peer takes its own snapshots. Documents without points are indexed again from the bucket.

    Parameters
    ----------
    tenants
        All Tenants. Neither a collection nor a point of another Tenant is restored.
    backup
        Name of the backup; empty for the latest one.
    replace
        Replace collections that contain points.

    Raises
    ------
    SnapshotsFailed
        The backup does not exist, does not fit this Qdrant, or a collection contains points.
    httpx.HTTPError
        A peer failed repeatedly. The restore can be repeated with ``replace``.
    """
    manifest = _choose_backup(backups, backup)
    _require_version(manifest, qdrant.get_version())
    expected = {tenant.collection for tenant in tenants}
    chosen = [stored for stored in manifest.snapshots if stored.collection in expected]
    collections = sorted({stored.collection for stored in chosen})
    if not replace:
        _require_no_points(qdrant, collections)
    peers = {peer.host: peer for peer in qdrant.list_peers()}
    log.info("Restore started", backup=manifest.backup, collections=collections, peers=len(peers))
    try:
        for collection in collections:
            qdrant.delete_collection(collection)
        for stored in chosen:
            _restore_snapshot(qdrant, backups, peers, stored)
    finally:
        # A failed restore must not leave points of deleted documents either.
        for collection in sorted(set(qdrant.list_collections()) & set(collections)):
            kept, deleted = delete_unconfirmed(qdrant, backups.s3, backups.bucket, collection, tenants)
            log.info("Collection checked", collection=collection, documents=kept, deleted_documents=deleted)
    log.info("Restore complete", backup=manifest.backup)


def _choose_backup(backups: Backups, backup: str) -> Manifest:
    complete = backups.list_complete()
    if not complete:
        raise SnapshotsFailed("There is no complete backup. The documents in the bucket are indexed again.")
    if backup and backup not in complete:
        raise SnapshotsFailed(f"There is no complete backup {backup}. Complete are: {', '.join(complete)}.")
    return backups.read_manifest(backup or complete[-1])


def _require_version(manifest: Manifest, version: str) -> None:
    """Refuse another minor version of Qdrant, and an older patch."""
    saved, running = (_parse_version(text) for text in (manifest.version, version))
    if saved[:2] != running[:2] or saved > running:
        raise SnapshotsFailed(
            f"The backup {manifest.backup} is of Qdrant {manifest.version}, and Qdrant {version} runs. "
            f"Restore it with Qdrant {saved[0]}.{saved[1]}, patch {saved[2]} or later. Otherwise let the "
            f"documents be indexed again."
        )


def _parse_version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.partition("-")[0].split("."))


def _require_no_points(qdrant: QdrantCluster, collections: list[str]) -> None:
    counts = {collection: qdrant.count_points(collection) for collection in collections}
    if present := {collection: count for collection, count in counts.items() if count}:
        named = ", ".join(f"{collection} ({count} points)" for collection, count in present.items())
        raise SnapshotsFailed(
            f"These collections contain points: {named}. Documents that were indexed after the backup would "
            f"have to be indexed again. Set QDRANT_SNAPSHOTS_REPLACE=true to replace the collections."
        )


def _restore_snapshot(
    qdrant: QdrantCluster, backups: Backups, peers: dict[str, Peer], stored: StoredSnapshot
) -> None:
    """Have a peer recover its snapshot of a collection."""
    peer = peers.get(stored.peer)
    if not peer:
        log.warning("The peer of a snapshot does not exist", peer=stored.peer, collection=stored.collection)
        return

    def restore() -> None:
        with backups.open(stored.key) as content:
            qdrant.restore_snapshot(peer, stored.collection, content, stored.sha256)

    RETRY(restore)
    log.info("Snapshot restored", peer=peer.host, collection=stored.collection, bytes=stored.size)
