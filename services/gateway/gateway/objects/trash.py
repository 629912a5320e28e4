"""Trash in S3: a record and the embeddings of each removed document.

The content of a removed document is a noncurrent version of its object. A delete marker of S3 has no
metadata. So a record under the tenant's prefix stores the version, the time, and the person who removed it.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from botocore.exceptions import ClientError
from servicekit.aws import get_error_code
from tenancy.model import Tenant
from tenancy.names import (
    build_embeddings_key,
    build_embeddings_prefix,
    build_removal_key,
    build_removals_prefix,
)
from tenancy.sessions import TenantSessions

from ..problems import TrashedDocumentMissing
from .store import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ObjectMetadata", "Removal", "TrashObjects", "derive_removal_id"]

LIST_PAGE_SIZE = 1000
"""Maximum number of keys that S3 lists in one call."""

ABSENT = frozenset({"404", "403", "NoSuchKey", "AccessDenied"})
"""S3's error codes for a missing object: 403 if the caller may list only under a prefix."""

VERSION_ABSENT = frozenset({"NoSuchVersion", "NoSuchKey", "404"})


@dataclass(frozen=True)
class ObjectMetadata:
    """Metadata of an object's current version; ``version_id`` is empty in a bucket without versioning."""

    version_id: str
    owner: str
    sha256: str


@dataclass(frozen=True)
class Removal:
    """Record of a removed document: the removed version of its object, the time and the remover.

    Parameters
    ----------
    key
        Key of the object.
    stored_at
        Time at which the content was stored.
    owner
        Subject of the person who stored the document.
    removed_by
        E-mail address of the person, or the name of the service.
    """

    document_id: str
    persona_id: str
    filename: str
    key: str
    version_id: str
    size: int
    sha256: str
    stored_at: datetime
    owner: str
    removed_by: str
    removed_at: datetime

    @property
    def id(self) -> str:
        """Id of the removal, unique among the document's removals: a digest of the version id."""
        return derive_removal_id(self.version_id)

    def to_json(self) -> bytes:
        """Return the record as JSON."""
        times = {"stored_at": self.stored_at.isoformat(), "removed_at": self.removed_at.isoformat()}
        return json.dumps(asdict(self) | times).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Parse the output of :meth:`to_json`."""
        read: dict[str, Any] = json.loads(text)
        times = {name: datetime.fromisoformat(read[name]) for name in ("stored_at", "removed_at")}
        return cls(**(read | times))


def derive_removal_id(version_id: str) -> str:
    """Return the id of the removal of an object's version."""
    return blake2b(version_id.encode(), digest_size=8).hexdigest()


class TrashObjects:
    """Reads and writes the trash, each call for one tenant.

    Every method raises BackendUnavailable or BackendRefused if S3 does not answer or denies the call.

    Parameters
    ----------
    sessions
        Sessions of the tenants.
    bucket
        Bucket of the documents.
    """

    def __init__(self, sessions: TenantSessions, bucket: str) -> None:
        self._sessions = sessions
        self._bucket = bucket

    async def get_current(self, tenant: Tenant, key: str) -> ObjectMetadata | None:
        """Return the metadata of a document's object; ``None`` if there is no object."""
        return await self._sessions.call(tenant, "head", self._get_current, key)

    async def put(self, tenant: Tenant, removal: Removal) -> None:
        """Store a record; it replaces an earlier record of the same removal."""
        key = build_removal_key(tenant.id, tenant.uid, removal.document_id, removal.id)
        await self._sessions.call(tenant, "put-removal", self._put, key, removal.to_json())

    async def get(self, tenant: Tenant, document_id: str, removal: str) -> Removal | None:
        """Return the record of a removal; ``None`` if there is no record."""
        key = build_removal_key(tenant.id, tenant.uid, document_id, removal)
        content = await self._sessions.call(tenant, "get-removal", self._get, key)
        return Removal.from_json(content) if content else None

    async def list_ids(
        self, tenant: Tenant, *, document_id: str = "", after: str = "", limit: int
    ) -> list[tuple[str, str]]:
        """Return pairs of document id and removal id in order, at most ``limit``.

        Parameters
        ----------
        document_id
            Return only removals of this document.
        after
            Object key; only later keys are returned.
        """
        prefix = build_removals_prefix(tenant.id, tenant.uid)
        only = f"{prefix}{document_id}/" if document_id else prefix
        keys = await self._sessions.call(tenant, "list-removals", self._list, only, after, limit)
        return [
            (document, removal) for document, _, removal in (k[len(prefix) :].partition("/") for k in keys)
        ]

    async def put_embeddings(self, tenant: Tenant, removal: Removal, content: bytes) -> None:
        """Store the embeddings of a removed document."""
        key = build_embeddings_key(tenant.id, tenant.uid, removal.document_id, removal.id)
        await self._sessions.call(tenant, "put-embeddings", self._put, key, content)

    async def get_embeddings(self, tenant: Tenant, document_id: str, removal: str) -> bytes:
        """Return the embeddings of a removed document; empty if none are stored."""
        key = build_embeddings_key(tenant.id, tenant.uid, document_id, removal)
        return await self._sessions.call(tenant, "get-embeddings", self._get, key)

    async def restore(self, tenant: Tenant, removal: Removal, key: str) -> ObjectVersion:
        """Copy the content of a removed document to a key of the tenant, as its current version.

        Raises
        ------
        TrashedDocumentMissing
            The bucket no longer has the version.
        """
        return await self._sessions.call(tenant, "restore", self._restore, removal, key)

    async def delete_removal(self, tenant: Tenant, document_id: str, removal: str) -> None:
        """Delete a record, if it exists."""
        key = build_removal_key(tenant.id, tenant.uid, document_id, removal)
        await self._sessions.call(tenant, "delete", self._delete, key)

    async def delete_embeddings(self, tenant: Tenant, document_id: str, removal: str) -> None:
        """Delete the embeddings of a removed document, if there are any."""
        key = build_embeddings_key(tenant.id, tenant.uid, document_id, removal)
        await self._sessions.call(tenant, "delete", self._delete, key)

    async def delete_older(self, tenant: Tenant, before: datetime) -> int:
        """Delete records and embeddings from before a time; return the number of records."""
        count = 0
        # Delete the embeddings first: a document can still be restored from a record without embeddings.
        for prefix in (
            build_embeddings_prefix(tenant.id, tenant.uid),
            build_removals_prefix(tenant.id, tenant.uid),
        ):
            count = await self._sessions.call(tenant, "expire", self._delete_older, prefix, before)
        return count

    def _get_current(self, client: "S3Client", key: str) -> ObjectMetadata | None:
        try:
            head = client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            if get_error_code(exc) in ABSENT:
                return None
            raise
        metadata = head["Metadata"]
        return ObjectMetadata(
            head.get("VersionId", ""), unquote(metadata.get("owner", "")), metadata.get("sha256", "")
        )

    def _put(self, client: "S3Client", key: str, content: bytes) -> None:
        client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=content,
            ContentType="application/octet-stream",
            ServerSideEncryption="AES256",
        )

    def _get(self, client: "S3Client", key: str) -> bytes:
        try:
            response = client.get_object(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            if get_error_code(exc) in ABSENT:
                return b""
            raise
        with response["Body"] as body:
            return body.read()

    def _list(self, client: "S3Client", prefix: str, start: str, limit: int) -> list[str]:
        page = client.list_objects_v2(
            Bucket=self._bucket, Prefix=prefix, StartAfter=start, MaxKeys=min(limit, LIST_PAGE_SIZE)
        )
        return [entry["Key"] for entry in page.get("Contents", [])]

    def _restore(self, client: "S3Client", removal: Removal, key: str) -> ObjectVersion:
        try:
            copied = client.copy_object(
                Bucket=self._bucket,
                Key=key,
                CopySource={"Bucket": self._bucket, "Key": removal.key, "VersionId": removal.version_id},
                ServerSideEncryption="AES256",
            )
        except ClientError as exc:
            if get_error_code(exc) in VERSION_ABSENT:
                raise TrashedDocumentMissing("The bucket no longer has the document's content.") from exc
            raise
        # The response has the time of the copy; the object's time comes from a HEAD, as after a PUT.
        stored_at = client.head_object(Bucket=self._bucket, Key=key)["LastModified"]
        return ObjectVersion(stored_at, copied["CopyObjectResult"]["ETag"])

    def _delete(self, client: "S3Client", key: str) -> None:
        client.delete_object(Bucket=self._bucket, Key=key)

    def _delete_older(self, client: "S3Client", prefix: str, before: datetime) -> int:
        count, after = 0, ""
        while True:
            page = client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, StartAfter=after)
            for entry in page.get("Contents", []):
                after = entry["Key"]
                if entry["LastModified"] < before:
                    client.delete_object(Bucket=self._bucket, Key=after)
                    count += 1
            if not page["IsTruncated"]:
                return count
