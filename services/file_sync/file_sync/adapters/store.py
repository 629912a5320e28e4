"""The documents' bucket, as one tenant at a time: what is put there is safe, and the index follows."""

import asyncio
import base64
import mimetypes
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import boto3
from botocore.exceptions import ClientError
from servicekit.aws import error_code
from servicekit.errors import RemoteError
from tenancy.model import Tenant
from tenancy.names import object_key
from tenancy.sessions import TenantSessions

from ..models import Document, File
from ..problems import Postponed
from .downloads import Content

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef, CompletedPartTypeDef

__all__ = ["Store"]

VERSION = "open-webui-version"
"""Metadata that names the content of which an object was made, see :attr:`.models.File.version`."""


class Store:
    """Puts and removes documents that are made of files.

    A document is put in two steps: its content, which nobody sees, and then its completion. Between the two
    the API server says that the Tenant is there. The operator cancels what is not complete before it deletes
    what is there. So whatever comes late leaves nothing: its completion is refused, or it is deleted as well.

    Parameters
    ----------
    open_session
        Opens a session of our own: where AWS is and who we are there.
    bucket
        Bucket of the documents.
    role_arn
        Role that is assumed for a tenant.
    is_current
        Says whether a Tenant is there and is not being deleted: the API server itself, not what was seen.
    """

    def __init__(
        self,
        open_session: Callable[[], boto3.Session],
        *,
        bucket: str,
        role_arn: str,
        is_current: Callable[[Tenant], Awaitable[bool]],
    ) -> None:
        self._bucket = bucket
        self._is_current = is_current
        self._sessions = TenantSessions(open_session, bucket=bucket, role_arn=role_arn, service="file-sync")

    async def put(self, tenant: Tenant, persona_id: str, filename: str, file: File, content: Content) -> None:
        """Store a file's content as its document, in place of what is there.

        Raises
        ------
        Postponed
            The Tenant is being deleted; nothing was stored.
        RemoteUnavailable, RemoteRefused
            S3 or the API server did not answer, or denied the call.
        """
        key = object_key(tenant.id, persona_id, file.document_id, filename)
        call = self._sessions.call
        upload = await call(tenant, "begin-put", self._begin, tenant, key, filename, file, content)
        try:
            part = await call(tenant, "put", self._put, key, upload, content)
            await self._require_current(tenant)
            await call(tenant, "complete-put", self._complete, key, upload, part)
        except BaseException:
            # Counted where it fails; what is left then lies unseen until the bucket's lifecycle removes it.
            with suppress(RemoteError):
                await asyncio.shield(call(tenant, "abort-put", self._abort, key, upload))
            raise

    async def has(self, tenant: Tenant, persona_id: str, filename: str, file: File) -> bool:
        """Tell whether what is stored was made of the content that the file has now.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        key = object_key(tenant.id, persona_id, file.document_id, filename)
        metadata = await self._sessions.call(tenant, "head", self._metadata, key)
        return metadata is not None and metadata.get(VERSION) == file.version

    async def owner(self, tenant: Tenant, document: Document) -> str | None:
        """Return the subject of a document's owner; empty if it has none, ``None`` if it is not there.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        key = object_key(tenant.id, document.persona_id, document.id, document.filename)
        metadata = await self._sessions.call(tenant, "head", self._metadata, key)
        return None if metadata is None else unquote(metadata.get("owner", ""))

    async def delete(self, tenant: Tenant, persona_id: str, filename: str, document_id: str) -> None:
        """Remove an object; one that is not there is removed.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        key = object_key(tenant.id, persona_id, document_id, filename)
        await self._sessions.call(tenant, "delete", self._delete, key)

    async def _require_current(self, tenant: Tenant) -> None:
        if not await self._is_current(tenant):
            raise Postponed("the Tenant is being deleted")

    def close(self) -> None:
        """Let threads and connections go."""
        self._sessions.close()

    def _begin(
        self, client: "S3Client", tenant: Tenant, key: str, filename: str, file: File, content: Content
    ) -> str:
        return client.create_multipart_upload(
            Bucket=self._bucket,
            Key=key,
            ChecksumAlgorithm="SHA256",
            ContentType=mimetypes.guess_type(filename)[0] or "application/octet-stream",
            ServerSideEncryption="AES256",
            Metadata={
                "sha256": content.sha256.hex(),
                "tenant-uid": tenant.uid,
                "owner": quote(file.subject),
                "open-webui-file": quote(file.id),
                VERSION: file.version,
            },
        )["UploadId"]

    def _put(self, client: "S3Client", key: str, upload: str, content: Content) -> "CompletedPartTypeDef":
        content.data.seek(0)
        checksum = base64.b64encode(content.sha256).decode()
        put = client.upload_part(
            Bucket=self._bucket,
            Key=key,
            UploadId=upload,
            PartNumber=1,
            Body=content.data,
            ContentLength=content.size,
            ChecksumSHA256=checksum,
        )
        return {"PartNumber": 1, "ETag": put["ETag"], "ChecksumSHA256": checksum}

    def _complete(self, client: "S3Client", key: str, upload: str, part: "CompletedPartTypeDef") -> None:
        parts: CompletedMultipartUploadTypeDef = {"Parts": [part]}
        client.complete_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload=parts)

    def _abort(self, client: "S3Client", key: str, upload: str) -> None:
        try:
            client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
        except ClientError as exc:
            if error_code(exc) != "NoSuchUpload":  # else it is complete, or the operator was quicker
                raise

    def _metadata(self, client: "S3Client", key: str) -> dict[str, str] | None:
        try:
            return client.head_object(Bucket=self._bucket, Key=key)["Metadata"]
        except ClientError as exc:
            # Who may list only under a prefix is told 403 for what is not there.
            if error_code(exc) in ("404", "403", "NoSuchKey", "AccessDenied"):
                return None
            raise

    def _delete(self, client: "S3Client", key: str) -> None:
        client.delete_object(Bucket=self._bucket, Key=key)
