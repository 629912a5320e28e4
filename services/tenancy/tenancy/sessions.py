"""Role sessions, each for one tenant.

A session is narrowed twice: by the session policy, and on AWS by the role's own policy, which asks for the
session tag ``tenant``. So a key that was built wrongly opens nothing of another tenant.
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
from servicekit.aws import classify, client_config, is_dead_session
from servicekit.errors import RemoteRefused, RemoteUnavailable
from servicekit.locks import KeyedLocks
from servicekit.remote import Remote

from .model import Tenant
from .names import tenant_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

__all__ = ["TenantSessions", "session_policy"]

P = ParamSpec("P")
T = TypeVar("T")

READ_SECONDS = 10.0
"""Longest silence of S3; boto3 gives up then. It answers in milliseconds, and a listing in some hundred."""

CALL_SECONDS = 120.0
"""Longest a whole transfer may take: 50 MiB over a slow link."""

CONCURRENCY = 16

RENEW_BEFORE = timedelta(minutes=5)
"""A session is not used in its last minutes, so that no call is cut off by its end."""

SESSIONS = 256
"""Sessions kept; one costs about a megabyte. The least recently used goes first."""


@dataclass(frozen=True)
class _Session:
    client: "S3Client"
    renew_at: datetime


class TenantSessions:
    """Calls S3 as one tenant at a time.

    Parameters
    ----------
    open_session
        Opens a session of our own: where AWS is and who we are there. We ourselves may read no document.
    bucket
        Bucket of the documents.
    role_arn
        Role that is assumed for a tenant.
    service
        Whose sessions they are: it stands in AWS' records.
    """

    def __init__(
        self, open_session: Callable[[], boto3.Session], *, bucket: str, role_arn: str, service: str
    ) -> None:
        self._open_session = open_session
        self._own: tuple[boto3.Session, STSClient] | None = None
        self._bucket = bucket
        self._role_arn = role_arn
        self._service = service
        self._config = client_config(read_seconds=READ_SECONDS, connections=CONCURRENCY)
        self._remote = Remote("s3", classify, timeout=CALL_SECONDS, concurrency=CONCURRENCY)
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._assuming = KeyedLocks()
        # boto3 makes clients in one thread at a time only.
        self._making = threading.Lock()

    async def call(
        self,
        tenant: Tenant,
        operation: str,
        function: "Callable[Concatenate[S3Client, P], T]",
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call as the tenant; once more with new sessions when AWS no longer knows those at hand.

        Raises
        ------
        RemoteUnavailable
            The prefix has not been prepared for this Tenant: it may hold documents of an earlier one.
        RemoteUnavailable, RemoteRefused
            S3 did not answer, or denied the call.
        """
        if not tenant.owns_storage:
            raise RemoteUnavailable("s3", operation, "the tenant's storage has not been prepared yet")
        try:
            client = await self.client(tenant)
            return await self._remote.call_in_thread(operation, function, client, *args, **kwargs)
        except RemoteRefused as exc:
            if not is_dead_session(exc.__cause__):
                raise
        self._sessions.pop(tenant.id, None)
        self._own = None
        client = await self.client(tenant)
        return await self._remote.call_in_thread(operation, function, client, *args, **kwargs)

    async def client(self, tenant: Tenant) -> "S3Client":
        """Return the tenant's own client; those who miss it together wait for one AssumeRole."""
        async with self._assuming[tenant.id]:
            session = self._sessions.get(tenant.id)
            if session is None or datetime.now(UTC) >= session.renew_at:
                # STS can fail while S3 works, and the other way round.
                assume = self._remote.in_thread(functools.partial(self._assume, tenant))
                session = await self._remote.call("assume-role", assume, circuit="sts")
                self._keep(tenant, session)
            self._sessions.move_to_end(tenant.id)
            return session.client

    def close(self) -> None:
        """Let threads and connections go."""
        self._remote.close()
        if self._own is not None:
            self._own[1].close()
        for session in self._sessions.values():
            session.client.close()

    def _keep(self, tenant: Tenant, session: _Session) -> None:
        self._sessions[tenant.id] = session
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)  # not closed: a call of it may be under way

    def _assume(self, tenant: Tenant) -> _Session:
        with self._making:
            # Read once: whoever finds these sessions dead forgets them meanwhile, in another thread.
            own, sts = self._own = self._own or self._open_own()
        credentials = sts.assume_role(
            RoleArn=self._role_arn,
            RoleSessionName=f"{self._service}-{tenant.key}",
            Policy=json.dumps(session_policy(self._bucket, tenant)),
            Tags=[{"Key": "tenant", "Value": tenant.key}],
        )["Credentials"]
        with self._making:
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


def session_policy(bucket: str, tenant: Tenant) -> dict[str, Any]:
    """Return the policy that narrows a session to a tenant's prefix."""
    prefix = tenant_prefix(tenant.id)
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
