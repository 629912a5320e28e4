"""Calls of Bedrock with a role session of the tenant, so that AWS' cost reports split by tenant.

One client serves all tenants: its credentials are those of the thread's current call. A client per tenant
would need memory and TLS connections for each.
"""

import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import boto3
import botocore.session
from botocore.credentials import CredentialProvider, Credentials, ReadOnlyCredentials
from servicekit.aws import build_client_config, classify
from servicekit.remote import Remote
from tenancy.role_sessions import RoleSessions
from typing_extensions import override

__all__ = ["ModelSessions", "open_model_session"]

T = TypeVar("T")

ASSUME_TIMEOUT_SECONDS = 5.0
"""Timeout of AssumeRole, which usually takes some tenths of a second."""

CONCURRENCY = 16
"""Maximum number of concurrent calls of STS."""

_CURRENT: ContextVar[ReadOnlyCredentials] = ContextVar("bedrock-credentials")
"""Credentials of the call that this thread makes."""


class ModelSessions:
    """Role sessions for Bedrock, each tagged with one tenant.

    Parameters
    ----------
    open_session
        Opens a session with the gateway's own credentials, which cannot call a model.
    role_arn
        Role that is assumed for a tenant, and that can call models.
    """

    def __init__(self, open_session: Callable[[], boto3.Session], *, role_arn: str) -> None:
        self._remote = Remote(
            "bedrock", classify, timeout=ASSUME_TIMEOUT_SECONDS * 2, concurrency=CONCURRENCY
        )
        self._sessions = RoleSessions(
            open_session,
            self._remote,
            role_arn=role_arn,
            service="gateway",
            config=build_client_config(read_seconds=ASSUME_TIMEOUT_SECONDS, connections=CONCURRENCY),
            build=lambda _, credentials: credentials,
        )

    async def call(
        self, tenant_key: str, remote: Remote, operation: str, function: Callable[[], T], *, circuit: str = ""
    ) -> T:
        """Call a function of the client of :func:`open_model_session` in a thread, for a tenant.

        If AWS rejects the session, retry with a new one.

        Raises
        ------
        BackendUnavailable, BackendRefused
            STS or Bedrock did not answer, or refused the call.
        """

        def call(credentials: ReadOnlyCredentials) -> Awaitable[T]:
            run = remote.make_thread_call(functools.partial(_run_with, credentials, function))
            return remote.call(operation, run, circuit=circuit)

        return await self._sessions.call(tenant_key, call)

    def close(self) -> None:
        """Release threads and connections."""
        self._remote.close()
        self._sessions.close()


def open_model_session() -> boto3.Session:
    """Return a session whose clients sign each call with the credentials of :class:`ModelSessions`."""
    core = botocore.session.Session()
    core.get_component("credential_provider").providers.insert(0, _CurrentCredentialProvider())
    return boto3.Session(botocore_session=core)


def _run_with(credentials: ReadOnlyCredentials, function: Callable[[], T]) -> T:
    token = _CURRENT.set(credentials)
    try:
        return function()
    finally:
        _CURRENT.reset(token)


class _CurrentCredentials(Credentials):
    """Credentials of the thread's current call; botocore asks for them when it signs a request."""

    def __init__(self) -> None:
        super().__init__("", "")

    @override
    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return the credentials; raise :class:`LookupError` outside a call of :class:`ModelSessions`."""
        return _CURRENT.get()


class _CurrentCredentialProvider(CredentialProvider):
    """First provider of the session, so that no other credentials are used."""

    METHOD = "tenantry-current"
    CANONICAL_NAME = "custom-tenantry-current"

    @override
    def load(self) -> Any:
        return _CurrentCredentials()
