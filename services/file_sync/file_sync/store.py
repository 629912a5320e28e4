"""The documents' bucket, as one tenant at a time: what is put there is safe, and the index follows."""

import base64
import mimetypes
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

import boto3
from botocore.exceptions import ClientError
from tenancy.aws import error_code
from tenancy.model import Tenant
from tenancy.names import object_key
from tenancy.sessions import TenantSessions

from .contents import Content
from .models import File

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Store"]

VERSION = "open-webui-version"
"""Metadata that names the content of which an object was made, see :attr:`.models.File.version`."""


class Store:
    """Puts and removes documents that are made of files.

    Parameters
    ----------
    open_session
        Opens a session of our own: where AWS is and who we are there.
    bucket
        Bucket of the documents.
    role_arn
        Role that is assumed for a tenant.
    """

    def __init__(self, open_session: Callable[[], boto3.Session], *, bucket: str, role_arn: str) -> None:
        self._bucket = bucket
        self._sessions = TenantSessions(open_session, bucket=bucket, role_arn=role_arn, service="file-sync")

    async def put(self, tenant: Tenant, persona_id: str, filename: str, file: File, content: Content) -> None:
        """Store a file's content as its document, in place of what is there.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        key = object_key(tenant.id, persona_id, file.document_id, filename)
        await self._sessions.call(tenant, "put", self._put, key, filename, file, content)

    async def has(self, tenant: Tenant, persona_id: str, filename: str, file: File) -> bool:
        """Tell whether what is stored was made of the content that the file has now.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        key = object_key(tenant.id, persona_id, file.document_id, filename)
        return await self._sessions.call(tenant, "head", self._version, key) == file.version

    async def delete(self, tenant: Tenant, persona_id: str, filename: str, document_id: str) -> None:
        """Remove an object; one that is not there is removed.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        key = object_key(tenant.id, persona_id, document_id, filename)
        await self._sessions.call(tenant, "delete", self._delete, key)

    def close(self) -> None:
        """Let threads and connections go."""
        self._sessions.close()

    def _put(self, client: "S3Client", key: str, filename: str, file: File, content: Content) -> None:
        content.data.seek(0)
        client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=content.data,
            ContentLength=content.size,
            ContentType=mimetypes.guess_type(filename)[0] or "application/octet-stream",
            ChecksumSHA256=base64.b64encode(content.sha256).decode(),
            ServerSideEncryption="AES256",
            Metadata={
                "sha256": content.sha256.hex(),
                "owner": quote(file.subject),
                "open-webui-file": quote(file.id),
                VERSION: file.version,
            },
        )

    def _version(self, client: "S3Client", key: str) -> str:
        try:
            return client.head_object(Bucket=self._bucket, Key=key)["Metadata"].get(VERSION, "")
        except ClientError as exc:
            # Who may list only under a prefix is told 403 for what is not there.
            if error_code(exc) in ("404", "403", "NoSuchKey", "AccessDenied"):
                return ""
            raise

    def _delete(self, client: "S3Client", key: str) -> None:
        client.delete_object(Bucket=self._bucket, Key=key)
