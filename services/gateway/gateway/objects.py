"""The documents in S3, each tenant's through a role session that reaches that tenant's prefix only.

The session is narrowed twice: by the session policy, and on AWS by the role's own policy, which asks for
the session tag ``tenant``. So a key that was built wrongly opens nothing of another tenant.
"""

import base64
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

import boto3
from botocore.exceptions import ClientError
from tenancy.errors import RemoteRefused
from tenancy.model import Tenant
from tenancy.names import tenant_prefix
from tenancy.remote import Remote

from .aws import classify, client_config, error_code, is_dead_session
from .locks import KeyedLocks
from .problems import DocumentMissing, DocumentTooLarge

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["StoredObject", "TenantObjects", "session_policy"]

P = ParamSpec("P")
T = TypeVar("T")

READ_SECONDS = 20.0
"""Longest silence of S3 while it sends; boto3 gives up then."""

CALL_SECONDS = 120.0
"""Longest a whole transfer may take: 50 MiB over a slow link."""

CONCURRENCY = 16

RENEW_BEFORE = timedelta(minutes=5)
"""A session is not used in its last minutes, so that no call is cut off by its end."""

SESSIONS = 256
"""Sessions kept; one costs about a megabyte. The least recently used goes first."""


@dataclass(frozen=True)
class StoredObject:
    """An object's content, and when it was stored."""

    content: bytes
    stored_at: datetime


@dataclass(frozen=True)
class _Session:
    client: "S3Client"
    renew_at: datetime


class TenantObjects:
    """Reads and writes documents as one tenant at a time.

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
        self._open_session = open_session
        self._own: boto3.Session | None = None
        self._bucket = bucket
        self._role_arn = role_arn
        self._remote = Remote("s3", classify, timeout=CALL_SECONDS, concurrency=CONCURRENCY)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._assuming = KeyedLocks()
        # boto3 makes clients in one thread at a time only.
        self._making = threading.Lock()

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
        return await self._call(tenant, "get", self._get, key, max_bytes)

    async def put(self, tenant: Tenant, key: str, content: bytes, *, media_type: str, owner: str) -> datetime:
        """Store a document of the tenant, and return when S3 stored it.

        Parameters
        ----------
        owner
            Subject of the person who uploads; kept beside the object.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        return await self._call(tenant, "put", self._put, key, content, media_type, owner)

    def close(self) -> None:
        """Let threads and connections go."""
        self._remote.close()
        for session in self._sessions.values():
            session.client.close()

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
            return StoredObject(body.read(), response["LastModified"])

    def _is_absent(self, client: "S3Client", key: str, exc: ClientError) -> bool:
        """Tell "not there" from "not allowed": who may list only under a prefix gets 403 for both."""
        if error_code(exc) != "AccessDenied":
            return error_code(exc) == "NoSuchKey"
        listed = client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return not any(found["Key"] == key for found in listed)

    def _put(self, client: "S3Client", key: str, content: bytes, media_type: str, owner: str) -> datetime:
        digest = hashlib.sha256(content)
        client.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=content,
            ContentType=media_type,
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            ServerSideEncryption="AES256",
            Metadata={"sha256": digest.hexdigest(), "owner": quote(owner)},
        )
        return client.head_object(Bucket=self._bucket, Key=key)["LastModified"]

    async def _call(
        self,
        tenant: Tenant,
        operation: str,
        function: "Callable[Concatenate[S3Client, P], T]",
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call as the tenant; once more with new sessions when AWS no longer knows those at hand."""
        try:
            client = await self._client(tenant)
            return await self._remote.call_in_thread(operation, function, client, *args, **kwargs)
        except RemoteRefused as exc:
            if not is_dead_session(exc.__cause__):
                raise
        self._sessions.pop(tenant.id, None)
        self._own = None
        client = await self._client(tenant)
        return await self._remote.call_in_thread(operation, function, client, *args, **kwargs)

    async def _client(self, tenant: Tenant) -> "S3Client":
        """Return the tenant's own client; those who miss it together wait for one AssumeRole."""
        async with self._assuming[tenant.id]:
            session = self._sessions.get(tenant.id)
            if session is None or datetime.now(UTC) >= session.renew_at:
                session = await self._remote.call_in_thread("assume-role", self._assume, tenant)
                self._keep(tenant, session)
            self._sessions.move_to_end(tenant.id)
            return session.client

    def _keep(self, tenant: Tenant, session: _Session) -> None:
        self._sessions[tenant.id] = session
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)  # not closed: a call of it may be under way

    def _assume(self, tenant: Tenant) -> _Session:
        config = client_config(read_seconds=READ_SECONDS, connections=CONCURRENCY)
        with self._making:
            own = self._own = self._own or self._open_session()
            sts = own.client("sts", config=config)
        credentials = sts.assume_role(
            RoleArn=self._role_arn,
            RoleSessionName=f"gateway-{tenant.key}",
            Policy=json.dumps(session_policy(self._bucket, tenant)),
            Tags=[{"Key": "tenant", "Value": tenant.key}],
        )["Credentials"]
        with self._making:
            client = own.client(
                "s3",
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
                config=config,
            )
        return _Session(client, credentials["Expiration"] - RENEW_BEFORE)


def session_policy(bucket: str, tenant: Tenant) -> dict[str, Any]:
    """Return the policy that narrows a session to a tenant's prefix."""
    prefix = tenant_prefix(tenant.id)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                "Resource": f"arn:aws:s3:::{bucket}/{prefix}*",
            },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": f"arn:aws:s3:::{bucket}",
                "Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}},
            },
        ],
    }
