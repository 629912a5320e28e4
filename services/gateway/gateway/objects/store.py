"""Reads, writes and lists of documents in S3, each for one tenant."""

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import boto3
from botocore.exceptions import ClientError
from servicekit.aws import get_error_code
from tenancy.model import Tenant
from tenancy.names import (
    FILE_DOCUMENTS,
    build_persona_prefix,
    build_tenant_prefix,
    build_trash_end_key,
    parse_object_key,
)
from tenancy.sessions import TenantSessions

from ..problems import DocumentMissing, DocumentTooLarge

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ObjectVersion", "StoredEntry", "StoredObject", "TenantObjects"]

LIST_PAGE_SIZE = 1000
"""Maximum number of keys that S3 lists in one call."""

MAX_DOCUMENTS = 100_000_000
"""Largest quota of documents that a Tenant can have."""


@dataclass(frozen=True)
class ObjectVersion:
    """Version of an object's content: the time at which S3 stored it, and its ETag."""

    stored_at: datetime
    etag: str


@dataclass(frozen=True)
class StoredObject:
    """Content of an object, and its version."""

    content: bytes
    version: ObjectVersion


@dataclass(frozen=True)
class StoredEntry:
    """Entry of a document in a listing; ``size`` in bytes."""

    key: str
    persona_id: str
    document_id: str
    filename: str
    size: int
    version: ObjectVersion


class TenantObjects:
    """Reads and writes documents.

    Parameters
    ----------
    open_session
        Opens a boto3 session with the gateway's own credentials, which may read no document.
    bucket
        Bucket of the documents.
    role_arn
        Role that is assumed for a tenant.
    """

    def __init__(self, open_session: Callable[[], boto3.Session], *, bucket: str, role_arn: str) -> None:
        self._bucket = bucket
        self.sessions = TenantSessions(open_session, bucket=bucket, role_arn=role_arn, service="gateway")

    async def get(self, tenant: Tenant, key: str, *, max_bytes: int) -> StoredObject:
        """Return a document of the tenant.

        Raises
        ------
        DocumentMissing
            There is no object with that key.
        DocumentTooLarge
            The object has more than ``max_bytes``, so it was not read.
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        return await self.sessions.call(tenant, "get", self._get, key, max_bytes)

    async def put(
        self, tenant: Tenant, key: str, content: bytes, *, media_type: str, owner: str
    ) -> ObjectVersion:
        """Store a document of the tenant.

        Parameters
        ----------
        owner
            Subject of the person who uploads; stored in the object's metadata.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        # If the caller is cancelled, the body is closed: the transfer aborts, and S3 stores nothing.
        with io.BytesIO(content) as body:
            return await self.sessions.call(tenant, "put", self._put, key, content, body, media_type, owner)

    async def list_documents(
        self, tenant: Tenant, *, persona_id: str | None = None, after: str = "", limit: int = LIST_PAGE_SIZE
    ) -> list[StoredEntry]:
        """Return documents of the tenant, ordered by key, at most ``limit``.

        Parameters
        ----------
        persona_id
            Return only this persona's documents; ``None`` for all documents of the tenant.
        after
            Object key; only later keys are returned.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        prefix = build_persona_prefix(tenant.id, persona_id) if persona_id else build_tenant_prefix(tenant.id)
        return await self.sessions.call(tenant, "list", self._list_documents, tenant, prefix, after, limit)

    async def get_sizes(self, tenant: Tenant) -> dict[str, int]:
        """Return the size in bytes of each document of the tenant, by id.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        return {
            entry.document_id: entry.size for entry in await self.list_documents(tenant, limit=MAX_DOCUMENTS)
        }

    async def find(self, tenant: Tenant, document_id: str) -> StoredEntry | None:
        """Return the document with an id in any persona; the newest if a rename left two objects.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        return await self.sessions.call(tenant, "find", self._find, tenant, document_id)

    async def find_files(self, tenant: Tenant, persona_id: str, filename: str) -> list[StoredEntry]:
        """Return a persona's documents with a name that were made from files of Open WebUI.

        Their ids do not depend on the name, so S3 lists all documents of this kind, a thousand per call.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        prefix = f"{build_persona_prefix(tenant.id, persona_id)}{FILE_DOCUMENTS}"
        listed = await self.sessions.call(
            tenant, "list", self._list_documents, tenant, prefix, "", MAX_DOCUMENTS
        )
        return [entry for entry in listed if entry.filename == filename]

    async def find_owner(self, tenant: Tenant, key: str) -> str | None:
        """Return a document's owner like :meth:`get_owner`; ``None`` if the document does not exist.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        return await self.sessions.call(tenant, "head", self._find_owner, key)

    async def get_owner(self, tenant: Tenant, key: str) -> str:
        """Return the subject of the person who stored a document; empty if it is unknown.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        return await self.sessions.call(tenant, "head", self._get_owner, key)

    async def delete(self, tenant: Tenant, key: str) -> None:
        """Delete a document of the tenant, if it exists.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        await self.sessions.call(tenant, "delete", self._delete, key)

    def close(self) -> None:
        """Close threads and connections."""
        self.sessions.close()

    def _get(self, client: "S3Client", key: str, max_bytes: int) -> StoredObject:
        try:
            response = client.get_object(Bucket=self._bucket, Key=key)
        except ClientError as exc:
            if self._is_absent(client, key, exc):
                raise DocumentMissing("The ticket names a document that is not in the bucket.") from exc
            raise
        with response["Body"] as body:
            if response["ContentLength"] > max_bytes:
                raise DocumentTooLarge(f"The document has more than {max_bytes} bytes.")
            return StoredObject(body.read(), ObjectVersion(response["LastModified"], response["ETag"]))

    def _is_absent(self, client: "S3Client", key: str, exc: ClientError) -> bool:
        """Return True if an error means a missing object. If listing is restricted, S3 answers 403."""
        if get_error_code(exc) != "AccessDenied":
            return get_error_code(exc) == "NoSuchKey"
        listed = client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return not any(entry["Key"] == key for entry in listed)

    def _put(
        self, client: "S3Client", key: str, content: bytes, body: io.BytesIO, media_type: str, owner: str
    ) -> ObjectVersion:
        digest = hashlib.sha256(content)
        body.seek(0)
        stored = client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=body,
            ContentType=media_type,
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            ServerSideEncryption="AES256",
            Metadata={"sha256": digest.hexdigest(), "owner": quote(owner)},
        )
        # The response to a PUT does not contain the time at which S3 stored the object.
        stored_at = client.head_object(Bucket=self._bucket, Key=key)["LastModified"]
        return ObjectVersion(stored_at, stored["ETag"])

    def _list_documents(
        self, client: "S3Client", tenant: Tenant, prefix: str, after: str, limit: int
    ) -> list[StoredEntry]:
        entries: list[StoredEntry] = []
        # The keys of the trash come first under a tenant's prefix; skip them.
        after = max(after, build_trash_end_key(tenant.id))
        while len(entries) < limit:
            page = client.list_objects_v2(
                Bucket=self._bucket, Prefix=prefix, StartAfter=after, MaxKeys=min(limit, LIST_PAGE_SIZE)
            )
            for listed in page.get("Contents", []):
                after = listed["Key"]
                if names := parse_object_key(tenant.id, after):
                    version = ObjectVersion(listed["LastModified"], listed["ETag"])
                    entries.append(StoredEntry(after, *names, listed["Size"], version))
            if not page["IsTruncated"]:
                break
        return entries[:limit]

    def _find(self, client: "S3Client", tenant: Tenant, document_id: str) -> StoredEntry | None:
        # Read the personas from the bucket: a persona deleted from the Tenant may still have documents.
        own = build_tenant_prefix(tenant.id)
        listed = client.list_objects_v2(Bucket=self._bucket, Prefix=own, Delimiter="/")
        folders = [folder["Prefix"] for folder in listed.get("CommonPrefixes", [])]
        entries = [
            entry
            for folder in folders
            for entry in self._list_documents(
                client, tenant, f"{folder}documents/{document_id}/", "", LIST_PAGE_SIZE
            )
        ]
        return max(entries, key=lambda entry: entry.version.stored_at, default=None)

    def _get_owner(self, client: "S3Client", key: str) -> str:
        return unquote(client.head_object(Bucket=self._bucket, Key=key)["Metadata"].get("owner", ""))

    def _find_owner(self, client: "S3Client", key: str) -> str | None:
        # A HEAD of a missing object returns 403 if the caller may not list the whole bucket, so list the key.
        listed = client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return self._get_owner(client, key) if any(entry["Key"] == key for entry in listed) else None

    def _delete(self, client: "S3Client", key: str) -> None:
        client.delete_object(Bucket=self._bucket, Key=key)
