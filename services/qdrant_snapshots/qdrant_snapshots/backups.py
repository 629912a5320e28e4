"""Backups in the bucket: a folder for each, whose manifest is written last and makes it complete.

The folder ``snapshots/NAMESPACE-RELEASE/20261129T030000Z/`` contains ``manifest.json``, and
``PEER/COLLECTION.snapshot`` for each peer and collection. A folder without a manifest was left by an
interrupted run.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from .streams import Readable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Backups", "Manifest", "StoredSnapshot", "open_backups"]

MANIFEST = "manifest.json"

PART_SIZE = 16 * 1024**2
"""Smallest size of a part of an upload; one part is in memory."""

MAX_PARTS = 9_000
"""S3 accepts 10,000 parts."""

DELETE_BATCH_SIZE = 1000


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot of one collection on one peer, in the bucket."""

    peer: str
    collection: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Content of a backup.

    Parameters
    ----------
    backup
        Name of the backup: the time of its start.
    version
        Version of Qdrant.
    snapshots
        All snapshots.
    """

    backup: str
    version: str
    snapshots: tuple[StoredSnapshot, ...]


@contextmanager
def open_backups(bucket: str, prefix: str) -> "Iterator[Backups]":
    """Open the backups under a prefix, with the credentials of the default chain."""
    config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})
    with closing(boto3.Session().client("s3", config=config)) as s3:
        yield Backups(s3, bucket, prefix)


class Backups:
    """Reads and writes backups.

    Parameters
    ----------
    s3
        Client; the caller closes it.
    bucket
        Bucket of the documents.
    prefix
        Prefix of all backups.
    """

    def __init__(self, s3: "S3Client", bucket: str, prefix: str) -> None:
        self.s3 = s3
        self.bucket = bucket
        self._prefix = prefix

    def list_complete(self) -> list[str]:
        """Return the names of the complete backups, the oldest first."""
        return [name for name, keys in self._list_folders().items() if MANIFEST in keys]

    def build_key(self, backup: str, peer: str, collection: str) -> str:
        """Return the key of a snapshot."""
        return f"{self._prefix}{backup}/{peer}/{collection}.snapshot"

    def upload(self, key: str, content: Readable, size: int) -> int:
        """Store a stream of about ``size`` bytes; return the size of the stored object.

        A failed upload leaves no object, and no parts unless the process was killed.
        """
        # Without threads only one part is in memory.
        part_size = max(PART_SIZE, math.ceil(size / MAX_PARTS))
        config = TransferConfig(multipart_chunksize=part_size, use_threads=False)
        self.s3.upload_fileobj(content, self.bucket, key, Config=config)  # type: ignore[arg-type] # only read() is called
        return int(self.s3.head_object(Bucket=self.bucket, Key=key)["ContentLength"])

    @contextmanager
    def open(self, key: str) -> Iterator[Readable]:
        """Open the content of a stored snapshot."""
        with closing(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]) as body:
            yield body

    def complete(self, manifest: Manifest) -> None:
        """Write the manifest of a backup, after all its snapshots."""
        self.put_json(f"{manifest.backup}/{MANIFEST}", asdict(manifest))

    def read_manifest(self, backup: str) -> Manifest:
        """Return the manifest of a complete backup."""
        content = self.read_json(f"{backup}/{MANIFEST}")
        snapshots = tuple(StoredSnapshot(**each) for each in content["snapshots"])
        return Manifest(content["backup"], content["version"], snapshots)

    def put_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON object under the prefix."""
        body = json.dumps(content, indent=1).encode()
        self.s3.put_object(Bucket=self.bucket, Key=self._prefix + name, Body=body)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON object under the prefix."""
        with self.open(self._prefix + name) as body:
            content: dict[str, Any] = json.loads(body.read())
            return content

    def list_names(self) -> Iterator[str]:
        """Yield the names of all objects under the prefix, without it."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._prefix)
        for page in pages:
            for listed in page.get("Contents", []):
                yield listed["Key"].removeprefix(self._prefix)

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects by their names under the prefix."""
        keys = [self._prefix + name for name in names]
        for start in range(0, len(keys), DELETE_BATCH_SIZE):
            batch = [{"Key": key} for key in keys[start : start + DELETE_BATCH_SIZE]]
            deleted = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": batch, "Quiet": True})  # type: ignore[typeddict-item]
            for error in deleted.get("Errors", []):
                raise ClientError(
                    {"Error": {"Code": error.get("Code", ""), "Message": error.get("Message", "")}},
                    "DeleteObjects",
                )

    def prune(self, keep: int) -> list[str]:
        """Delete all backups that are older than the newest ``keep`` complete ones; return their names.

        Incomplete backups that are older than the newest complete one are deleted as well. Without a complete
        backup nothing is deleted.
        """
        folders = self._list_folders()
        complete = [name for name, keys in folders.items() if MANIFEST in keys]
        if not complete:
            return []
        kept = complete[-keep:]
        pruned = [name for name in folders if name not in kept and name < kept[-1]]
        for name in pruned:
            # Without its manifest, a backup that is deleted only in part is incomplete.
            ordered = sorted(folders[name], key=lambda key: key != MANIFEST)
            for key in ordered[:1], ordered[1:]:
                self.delete(f"{name}/{each}" for each in key)
        return pruned

    def abort_uploads(self) -> int:
        """Abort the multipart uploads that a killed process left; return their number."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket, Prefix=self._prefix
        )
        uploads = [upload for page in pages for upload in page.get("Uploads", [])]
        for upload in uploads:
            self.s3.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        return len(uploads)

    def _list_folders(self) -> dict[str, list[str]]:
        """Return the keys in each backup, by the backup's name, the oldest first."""
        folders: dict[str, list[str]] = {}
        for name in self.list_names():
            backup, separator, key = name.partition("/")
            if separator:
                folders.setdefault(backup, []).append(key)
        return dict(sorted(folders.items()))
