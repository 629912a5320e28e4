"""S3 clients with role sessions, each limited to one tenant.

Two policies limit a session: the session policy and, on AWS, the role's policy, which requires the session
tag ``tenant``. So a wrongly built key cannot reach another tenant's object.
"""

import functools
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import boto3
from servicekit.aws import build_client_config, classify, is_dead_session
from servicekit.errors import BackendRefused, BackendUnavailable
from servicekit.locks import KeyedLocks
from servicekit.remote import Remote

from .model import Tenant
from .names import build_tenant_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

__all__ = ["TenantSessions", "build_session_policy"]

P = ParamSpec("P")
T = TypeVar("T")

READ_TIMEOUT_SECONDS = 10.0
"""Read timeout. S3 answers in milliseconds, a list request in some hundred."""

TRANSFER_TIMEOUT_SECONDS = 120.0
"""Timeout of a whole transfer: 50 MiB over a slow link."""

CONCURRENCY = 16

RENEW_BEFORE = timedelta(minutes=5)
"""A session is renewed this long before it expires, so that no call is interrupted."""

MAX_SESSIONS = 256
"""Maximum number of cached sessions of about a megabyte; the least recently used is discarded first."""


@dataclass(frozen=True)
class _Session:
    client: "S3Client"
    renew_at: datetime


class TenantSessions:
    """Calls of S3 with a role session of the tenant.

    Parameters
    ----------
    open_session
        Opens a session with the service's credentials, which cannot read documents.
    bucket
        Bucket of the documents.
    role_arn
        Role that is assumed for a tenant.
    service
        Name of the service, which becomes part of the session name in AWS' logs.
    """

    def __init__(
        self, open_session: Callable[[], boto3.Session], *, bucket: str, role_arn: str, service: str
    ) -> None:
        self._open_session = open_session
        self._own: tuple[boto3.Session, STSClient] | None = None
        self._bucket = bucket
        self._role_arn = role_arn
        self._service = service
        self._config = build_client_config(read_seconds=READ_TIMEOUT_SECONDS, connections=CONCURRENCY)
        self._remote = Remote("s3", classify, timeout=TRANSFER_TIMEOUT_SECONDS, concurrency=CONCURRENCY)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._assuming = KeyedLocks()
        # boto3 is not thread-safe while it creates clients.
        self._client_lock = threading.Lock()

    async def call(
        self,
        tenant: Tenant,
        operation: str,
        function: "Callable[Concatenate[S3Client, P], T]",
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a function with the tenant's S3 client; if AWS rejects the session, retry with a new one.

        Raises
        ------
        BackendUnavailable
            S3 did not answer, or the prefix is not prepared for this Tenant and can contain an earlier
            Tenant's documents.
        BackendRefused
            S3 denied the call.
        """
        if not tenant.owns_storage:
            raise BackendUnavailable("s3", operation, "the tenant's storage has not been prepared yet")
        try:
            client = await self.get_client(tenant)
            return await self._remote.call_in_thread(operation, function, client, *args, **kwargs)
        except BackendRefused as exc:
            if not is_dead_session(exc.__cause__):
                raise
        self._sessions.pop(tenant.id, None)
        self._own = None
        client = await self.get_client(tenant)
        return await self._remote.call_in_thread(operation, function, client, *args, **kwargs)

    async def get_client(self, tenant: Tenant) -> "S3Client":
        """Return the tenant's client; concurrent callers share one AssumeRole."""
        async with self._assuming[tenant.id]:
            session = self._sessions.get(tenant.id)
            if session is None or datetime.now(UTC) >= session.renew_at:
                # STS can fail while S3 works, and vice versa.
                assume = self._remote.make_thread_call(functools.partial(self._assume, tenant))
                session = await self._remote.call("assume-role", assume, circuit="sts")
                self._keep(tenant, session)
            self._sessions.move_to_end(tenant.id)
            return session.client

    def close(self) -> None:
        """Release threads and connections."""
        self._remote.close()
        if self._own is not None:
            self._own[1].close()
        for session in self._sessions.values():
            session.client.close()

    def _keep(self, tenant: Tenant, session: _Session) -> None:
        self._sessions[tenant.id] = session
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)  # not closed: it can have a call in flight

    def _assume(self, tenant: Tenant) -> _Session:
        with self._client_lock:
            # Read once: another thread can reset the attribute after AWS has rejected the session.
            own, sts = self._own = self._own or self._open_own()
        credentials = sts.assume_role(
            RoleArn=self._role_arn,
            RoleSessionName=f"{self._service}-{tenant.key}",
            Policy=json.dumps(build_session_policy(self._bucket, tenant)),
            Tags=[{"Key": "tenant", "Value": tenant.key}],
        )["Credentials"]
        with self._client_lock:
            client = own.client(
                "s3",
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
                config=self._config,
            )
        return _Session(client, credentials["Expiration"] - RENEW_BEFORE)

    def _open_own(self) -> "tuple[boto3.Session, STSClient]":
        session = self._open_session()
        return session, session.client("sts", config=self._config)


def build_session_policy(bucket: str, tenant: Tenant) -> dict[str, Any]:
    """Return the session policy that limits access to a tenant's prefix."""
    prefix = build_tenant_prefix(tenant.id)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject",
                    "s3:GetObjectVersion",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                ],
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
