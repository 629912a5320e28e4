"""S3 clients with role sessions, each limited to one tenant.

Two policies limit a session: the session policy and, on AWS, the role's policy, which requires the session
tag ``tenant``. So a wrongly built key cannot reach another tenant's object.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import boto3
from botocore.credentials import ReadOnlyCredentials
from servicekit.aws import build_client_config, classify
from servicekit.errors import BackendUnavailable
from servicekit.remote import Remote

from .model import Tenant
from .names import build_tenant_prefix
from .role_sessions import RoleSessions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["TenantSessions", "build_session_policy"]

P = ParamSpec("P")
T = TypeVar("T")

READ_TIMEOUT_SECONDS = 10.0
"""Read timeout. S3 answers in milliseconds, a list request in some hundred."""

TRANSFER_TIMEOUT_SECONDS = 120.0
"""Timeout of a whole transfer: 50 MiB over a slow link."""

CONCURRENCY = 16


class TenantSessions:
    """Calls of S3 with a role session of the tenant. Each cached client needs about a megabyte.

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
        self._bucket = bucket
        self._config = build_client_config(read_seconds=READ_TIMEOUT_SECONDS, connections=CONCURRENCY)
        self._remote = Remote("s3", classify, timeout=TRANSFER_TIMEOUT_SECONDS, concurrency=CONCURRENCY)
        self._sessions = RoleSessions(
            open_session,
            self._remote,
            role_arn=role_arn,
            service=service,
            config=self._config,
            build=self._make_client,
        )

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

        def call(client: "S3Client") -> Awaitable[T]:
            return self._remote.call_in_thread(operation, function, client, *args, **kwargs)

        return await self._sessions.call(tenant.key, call, self._make_policy_builder(tenant))

    async def get_client(self, tenant: Tenant) -> "S3Client":
        """Return the tenant's client; concurrent callers share one AssumeRole."""
        return await self._sessions.get(tenant.key, self._make_policy_builder(tenant))

    def close(self) -> None:
        """Release threads and connections."""
        self._remote.close()
        self._sessions.close()
        for client in self._sessions:
            client.close()

    def _make_policy_builder(self, tenant: Tenant) -> Callable[[], dict[str, Any]]:
        return functools.partial(build_session_policy, self._bucket, tenant)

    def _make_client(self, own: boto3.Session, credentials: ReadOnlyCredentials) -> "S3Client":
        return own.client(
            "s3",
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
            config=self._config,
        )


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
