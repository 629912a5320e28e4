"""Cache of role sessions, each tagged with one tenant.

The session tag ``tenant`` limits the role's policy to the tenant, and AWS' cost reports contain it.
"""

import functools
import json
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import boto3
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from servicekit.aws import is_dead_session
from servicekit.errors import BackendRefused
from servicekit.locks import KeyedLocks
from servicekit.remote import Remote

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

__all__ = ["RoleSessions"]

R = TypeVar("R")
T = TypeVar("T")

PolicyBuilder = Callable[[], Mapping[str, Any]]

RENEW_BEFORE = timedelta(minutes=5)
"""A session is renewed this long before it expires, so that no call is interrupted."""

MAX_SESSIONS = 256
"""Maximum number of cached sessions; the least recently used is discarded first."""


@dataclass(frozen=True)
class _Entry(Generic[T]):
    value: T
    renew_at: datetime


class RoleSessions(Generic[T]):
    """Role sessions of tenants, and what is made from their credentials.

    Parameters
    ----------
    open_session
        Opens a session with the service's credentials.
    remote
        Makes the calls of STS.
    role_arn
        Role that is assumed for a tenant.
    service
        Name of the service, which becomes part of the session name in AWS' logs.
    config
        Configuration of the STS client.
    build
        Makes the cached value, from the service's session and a tenant's credentials.
    """

    def __init__(
        self,
        open_session: Callable[[], boto3.Session],
        remote: Remote,
        *,
        role_arn: str,
        service: str,
        config: Config,
        build: Callable[[boto3.Session, ReadOnlyCredentials], T],
    ) -> None:
        self._open_session = open_session
        self._remote = remote
        self._role_arn = role_arn
        self._service = service
        self._config = config
        self._build = build
        self._own: tuple[boto3.Session, STSClient] | None = None
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._assuming = KeyedLocks()
        # boto3 is not thread-safe while it creates clients.
        self._client_lock = threading.Lock()

    def __iter__(self) -> Iterator[T]:
        """Iterate over the cached values."""
        return (entry.value for entry in self._entries.values())

    async def call(
        self, tenant_key: str, call: Callable[[T], Awaitable[R]], build_policy: PolicyBuilder | None = None
    ) -> R:
        """Await a call with the tenant's value; if AWS rejects the session, retry with a new one.

        Parameters
        ----------
        call
            Makes the call with the value.
        build_policy
            As for :meth:`get`.

        Raises
        ------
        BackendUnavailable, BackendRefused
            As :meth:`get` and ``call``.
        """
        try:
            return await call(await self.get(tenant_key, build_policy))
        except BackendRefused as exc:
            if not is_dead_session(exc.__cause__):
                raise
        self._discard(tenant_key)
        return await call(await self.get(tenant_key, build_policy))

    async def get(self, tenant_key: str, build_policy: PolicyBuilder | None = None) -> T:
        """Return the tenant's value; concurrent callers share one AssumeRole.

        Parameters
        ----------
        build_policy
            Returns the session policy, which further limits the role's policy; the same for each call of a
            tenant.

        Raises
        ------
        BackendUnavailable, BackendRefused
            STS did not answer, or refused the call.
        """
        async with self._assuming[tenant_key]:
            entry = self._entries.get(tenant_key)
            if entry is None or datetime.now(UTC) >= entry.renew_at:
                # STS can fail while the system works that is called with the session, and vice versa.
                assume = self._remote.make_thread_call(
                    functools.partial(self._assume, tenant_key, build_policy)
                )
                entry = await self._remote.call("assume-role", assume, circuit="sts")
                self._keep(tenant_key, entry)
            self._entries.move_to_end(tenant_key)
            return entry.value

    def close(self) -> None:
        """Release the STS client's connections."""
        if self._own is not None:
            self._own[1].close()

    def _discard(self, tenant_key: str) -> None:
        """Forget a session that AWS rejects, and the service's own, which can be the reason."""
        self._entries.pop(tenant_key, None)
        self._own = None

    def _keep(self, tenant_key: str, entry: _Entry[T]) -> None:
        self._entries[tenant_key] = entry
        if len(self._entries) > MAX_SESSIONS:
            self._entries.popitem(last=False)  # its value is not closed: it can have a call in flight

    def _assume(self, tenant_key: str, build_policy: PolicyBuilder | None) -> _Entry[T]:
        with self._client_lock:
            # Read once: another thread can reset the attribute after AWS has rejected the session.
            own, sts = self._own = self._own or self._open_own()
        limits: Any = {"Policy": json.dumps(build_policy())} if build_policy else {}
        assumed = sts.assume_role(
            RoleArn=self._role_arn,
            RoleSessionName=f"{self._service}-{tenant_key}",
            Tags=[{"Key": "tenant", "Value": tenant_key}],
            **limits,
        )["Credentials"]
        credentials = ReadOnlyCredentials(
            assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"]
        )
        with self._client_lock:
            value = self._build(own, credentials)
        return _Entry(value, assumed["Expiration"] - RENEW_BEFORE)

    def _open_own(self) -> "tuple[boto3.Session, STSClient]":
        session = self._open_session()
        return session, session.client("sts", config=self._config)
