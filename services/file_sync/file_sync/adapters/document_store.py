"""Client of the documents bucket in S3, which uses a separate session for each tenant."""

import asyncio
import base64
import mimetypes
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import boto3
from botocore.exceptions import ClientError
from servicekit.aws import get_error_code
from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenancy.names import build_object_key
from tenancy.sessions import TenantSessions

from ..models import File, ListedDocument
from ..problems import RetryLater
from .downloads import Content

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef, CompletedPartTypeDef

__all__ = ["DocumentStore"]

VERSION_KEY = "open-webui-version"
"""Metadata key: the version of the file from which the object was made, see :attr:`.models.File.version`."""


class DocumentStore:
    """Stores and deletes documents that are made from files.

    A document is stored in two steps: upload the content as an invisible multipart upload, then complete the
    upload. Between the two steps the API server confirms that the Tenant exists. When the operator deletes a
    Tenant, it aborts incomplete uploads before it deletes objects. So a late write leaves nothing: S3 refuses
    its completion, or the operator deletes its object.

    Parameters
    ----------
    open_session
        Opens a boto3 session with file-sync's own credentials, from the environment.
    bucket
        Bucket of the documents.
    role_arn
        IAM role that is assumed for a tenant.
    is_current
        Returns True if a Tenant exists and is not being deleted. It has to ask the API server, not a cache.
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
        """Store a file's content as its document, and replace an existing object.

        Raises
        ------
        RetryLater
            The Tenant is being deleted; nothing was stored.
        BackendUnavailable, BackendRefused
            S3 or the API server did not answer, or denied the call.
        """
        key = build_object_key(tenant.id, persona_id, file.document_id, filename)
        call = self._sessions.call
        upload = await call(tenant, "begin-put", self._begin, tenant, key, filename, file, content)
        try:
            part = await call(tenant, "put", self._put, key, upload, content)
            await self._require_current(tenant)
            await call(tenant, "complete-put", self._complete, key, upload, part)
        except BaseException:
            # ``Remote`` counts a failed abort; the bucket's lifecycle removes the upload.
            with suppress(BackendError):
                await asyncio.shield(call(tenant, "abort-put", self._abort, key, upload))
            raise

    async def has_version(self, tenant: Tenant, persona_id: str, filename: str, file: File) -> bool:
        """Return True if the stored object was made from the file's current content.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        key = build_object_key(tenant.id, persona_id, file.document_id, filename)
        metadata = await self._sessions.call(tenant, "head", self._read_metadata, key)
        return metadata is not None and metadata.get(VERSION_KEY) == file.version

    async def read_owner(self, tenant: Tenant, document: ListedDocument) -> str | None:
        """Return the subject of a document's owner: empty for no owner, ``None`` if the object is absent.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        key = build_object_key(tenant.id, document.persona_id, document.id, document.filename)
        metadata = await self._sessions.call(tenant, "head", self._read_metadata, key)
        return None if metadata is None else unquote(metadata.get("owner", ""))

    async def delete(self, tenant: Tenant, persona_id: str, filename: str, document_id: str) -> None:
        """Delete an object; do nothing if it does not exist.

        Raises
        ------
        BackendUnavailable, BackendRefused
            S3 did not answer, or denied the call.
        """
        key = build_object_key(tenant.id, persona_id, document_id, filename)
        await self._sessions.call(tenant, "delete", self._delete, key)

    async def _require_current(self, tenant: Tenant) -> None:
        if not await self._is_current(tenant):
            raise RetryLater("the Tenant is being deleted")

    def close(self) -> None:
        """Stop the threads and close the connections."""
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
                VERSION_KEY: file.version,
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
            if get_error_code(exc) != "NoSuchUpload":  # the upload is complete, or the operator aborted it
                raise

    def _read_metadata(self, client: "S3Client", key: str) -> dict[str, str] | None:
        try:
            return client.head_object(Bucket=self._bucket, Key=key)["Metadata"]
        except ClientError as exc:
            # With the right to list only a prefix, S3 answers 403 for a missing object.
            if get_error_code(exc) in ("404", "403", "NoSuchKey", "AccessDenied"):
                return None
            raise

    def _delete(self, client: "S3Client", key: str) -> None:
        client.delete_object(Bucket=self._bucket, Key=key)
