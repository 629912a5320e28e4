"""Reading, writing and listing documents, as one tenant at a time."""

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
from servicekit.aws import error_code
from tenancy.model import Tenant
from tenancy.names import FILE_DOCUMENTS, parse_object_key, persona_prefix, tenant_prefix, trash_end
from tenancy.sessions import TenantSessions

from ..problems import DocumentMissing, DocumentTooLarge

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ObjectVersion", "StoredEntry", "StoredObject", "TenantObjects"]

LIST_PAGE_SIZE = 1000
"""Most keys that S3 lists at once."""

MAX_DOCUMENTS = 100_000_000
"""As many as a Tenant's quota can be."""


@dataclass(frozen=True)
class ObjectVersion:
    """Which content an object has: when S3 stored it, and S3's name for it."""

    stored_at: datetime
    etag: str


@dataclass(frozen=True)
class StoredObject:
    """An object's content, and which one that is."""

    content: bytes
    version: ObjectVersion


@dataclass(frozen=True)
class StoredEntry:
    """A document as a listing shows it; ``size`` in bytes."""

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
        Opens a session of our own: where AWS is and who we are there. We ourselves may read no document.
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
            There is no object of that key.
        DocumentTooLarge
            It has more than ``max_bytes``; it was not read.
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        return await self.sessions.call(tenant, "get", self._get, key, max_bytes)

    async def put(self, tenant: Tenant, key: str, content: bytes, *, media_type: str, owner: str) -> ObjectVersion:
        """Store a document of the tenant.

        Parameters
        ----------
        owner
            Subject of the person who uploads; kept beside the object.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        # Closed when the caller is cancelled: a transfer under way is then cut short, and S3 stores nothing.
        with io.BytesIO(content) as body:
            return await self.sessions.call(tenant, "put", self._put, key, content, body, media_type, owner)

    async def list_documents(
        self, tenant: Tenant, *, persona_id: str | None = None, after: str = "", limit: int = LIST_PAGE_SIZE
    ) -> list[StoredEntry]:
        """Return documents of the tenant by key, at most ``limit`` of them.

        Parameters
        ----------
        persona_id
            Only this persona's; ``None`` for all of the tenant's.
        after
            A key (of the tenant's, or none of it is found); only later ones are returned.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        prefix = persona_prefix(tenant.id, persona_id) if persona_id else tenant_prefix(tenant.id)
        return await self.sessions.call(tenant, "list", self._list_documents, tenant, prefix, after, limit)

    async def get_sizes(self, tenant: Tenant) -> dict[str, int]:
        """Return the bytes of all documents of the tenant, by their ids.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        return {each.document_id: each.size for each in await self.list_documents(tenant, limit=MAX_DOCUMENTS)}

    async def find(self, tenant: Tenant, document_id: str) -> StoredEntry | None:
        """Return the document of that id, whatever its persona; the newest when a rename left two.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        return await self.sessions.call(tenant, "find", self._find, tenant, document_id)

    async def find_files(self, tenant: Tenant, persona_id: str, filename: str) -> list[StoredEntry]:
        """Return a persona's documents of that name that were made of Open WebUI's files.

        Their ids do not follow from the name, so S3 lists all documents of this kind, a thousand a call.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        prefix = f"{persona_prefix(tenant.id, persona_id)}{FILE_DOCUMENTS}"
        listed = await self.sessions.call(tenant, "list", self._list_documents, tenant, prefix, "", MAX_DOCUMENTS)
        return [entry for entry in listed if entry.filename == filename]

    async def find_owner(self, tenant: Tenant, key: str) -> str | None:
        """Return :meth:`get_owner` of a document that may not be there; ``None`` when it is not.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        return await self.sessions.call(tenant, "head", self._find_owner, key)

    async def get_owner(self, tenant: Tenant, key: str) -> str:
        """Return the subject of the person who stored a document; empty when nobody's is known.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        return await self.sessions.call(tenant, "head", self._get_owner, key)

    async def delete(self, tenant: Tenant, key: str) -> None:
        """Delete a document of the tenant; one that is not there is deleted.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        await self.sessions.call(tenant, "delete", self._delete, key)

    def close(self) -> None:
        """Let threads and connections go."""
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
        """Tell "not there" from "not allowed": who may list only under a prefix gets 403 for both."""
        if error_code(exc) != "AccessDenied":
            return error_code(exc) == "NoSuchKey"
        listed = client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return not any(found["Key"] == key for found in listed)

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
        # The answer to a PUT does not say when.
        stored_at = client.head_object(Bucket=self._bucket, Key=key)["LastModified"]
        return ObjectVersion(stored_at, stored["ETag"])

    def _list_documents(
        self, client: "S3Client", tenant: Tenant, prefix: str, after: str, limit: int
    ) -> list[StoredEntry]:
        entries: list[StoredEntry] = []
        # The trash comes first in a tenant's prefix, and is no document.
        after = max(after, trash_end(tenant.id))
        while len(entries) < limit:
            page = client.list_objects_v2(
                Bucket=self._bucket, Prefix=prefix, StartAfter=after, MaxKeys=min(limit, LIST_PAGE_SIZE)
            )
            for found in page.get("Contents", []):
                after = found["Key"]
                if names := parse_object_key(tenant.id, after):
                    version = ObjectVersion(found["LastModified"], found["ETag"])
                    entries.append(StoredEntry(after, *names, found["Size"], version))
            if not page["IsTruncated"]:
                break
        return entries[:limit]

    def _find(self, client: "S3Client", tenant: Tenant, document_id: str) -> StoredEntry | None:
        # The truth about personas is in the bucket: one that the Tenant no longer names may have documents.
        own = tenant_prefix(tenant.id)
        listed = client.list_objects_v2(Bucket=self._bucket, Prefix=own, Delimiter="/")
        folders = [folder["Prefix"] for folder in listed.get("CommonPrefixes", [])]
        found = [
            entry
            for folder in folders
            for entry in self._list_documents(client, tenant, f"{folder}documents/{document_id}/", "", LIST_PAGE_SIZE)
        ]
        return max(found, key=lambda entry: entry.version.stored_at, default=None)

    def _get_owner(self, client: "S3Client", key: str) -> str:
        return unquote(client.head_object(Bucket=self._bucket, Key=key)["Metadata"].get("owner", ""))

    def _find_owner(self, client: "S3Client", key: str) -> str | None:
        # Without the right to list the whole bucket, HEAD answers 403 for a missing object, too.
        listed = client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return self._get_owner(client, key) if any(found["Key"] == key for found in listed) else None

    def _delete(self, client: "S3Client", key: str) -> None:
        client.delete_object(Bucket=self._bucket, Key=key)
