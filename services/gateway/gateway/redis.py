"""Redis: what tenants use, counted. The only module of the gateway that talks to Redis.

Every call takes the proven :class:`~tenancy.model.Tenant`, and a key that is not that tenant's own never
leaves this process. Redis itself refuses every call once the Tenant is being deleted
(:mod:`tenancy.tombstones`). Only :meth:`TenantRedis.having` asks about more than one tenant, and it brings
back no more than yes or no. A call may name several keys of its tenant, so this is for one Redis (with
replicas), not for Redis Cluster, where they would lie on different nodes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import SecretStr
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from servicekit.redis_errors import classify
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.names import redis_prefix, tombstone_key
from tenancy.tombstones import REFUSAL, add_tombstone_check

__all__ = ["Script", "TenantRedis"]

CALL_SECONDS = 2.5
"""Longest a call may take, a new connection included."""

SOCKET_SECONDS = 2.0
"""Longest silence of Redis. It answers in microseconds; but a gateway that is short of processor time sees
that late, and must not take its own slowness for an outage."""

CONCURRENCY = 64
"""Calls, and so connections, at once."""


class Script:
    """A Lua script that Redis knows by its hash; it is sent again when Redis has forgotten it.

    Parameters
    ----------
    script
        As the client registered it.
    operation
        Its name in metrics.
    is_guarded
        Whether it is refused once the Tenant is being deleted.
    """

    def __init__(self, remote: Remote, script: Any, operation: str, *, is_guarded: bool) -> None:
        self._remote = remote
        self._script = script
        self._operation = operation
        self._is_guarded = is_guarded

    async def run(self, tenant: Tenant, keys: list[str], *arguments: int | str) -> Any:
        """Run it on a tenant's own keys, and return what it returns.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            Redis did not answer, or refused. It may have run all the same.
        """
        _require_own(tenant, keys)
        if self._is_guarded:
            keys = [*keys, tombstone_key(tenant.id, tenant.uid)]
        return await self._remote.call(
            self._operation, lambda: self._script(keys=keys, args=[str(argument) for argument in arguments])
        )


class TenantRedis:
    """Counters of one tenant at a time.

    Nothing is tried again: a count that is repeated counts twice.

    Parameters
    ----------
    url
        Where Redis is, its password included.
    """

    def __init__(self, url: SecretStr) -> None:
        self._remote = Remote("redis", classify, timeout=CALL_SECONDS, attempts=1, concurrency=CONCURRENCY)
        self._client: Any = Redis.from_url(  # its types promise awaitables where it queues
            url.get_secret_value(),
            decode_responses=True,
            max_connections=CONCURRENCY,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 0),
            # With version 3 the client hands out connections that Redis has closed (redis-py issue 4252).
            protocol=2,
        )

    def script(self, operation: str, source: str, *, ends_work: bool = False) -> Script:
        """Return a Lua script, ready to run.

        Parameters
        ----------
        ends_work
            It only ends what was begun, so it may run while the Tenant is being deleted.
        """
        source = source if ends_work else add_tombstone_check(source)
        registered = self._client.register_script(source)
        return Script(self._remote, registered, operation, is_guarded=not ends_work)

    async def execute(self, tenant: Tenant, operation: str, *commands: tuple[str | int, ...]) -> list[Any]:
        """Run commands in one transaction and return their results. A command's second word is its key.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            Redis did not answer, or refused. The transaction may have happened all the same.
        """
        _require_own(tenant, [str(command[1]) for command in commands])
        tombstone = tombstone_key(tenant.id, tenant.uid)

        async def run() -> list[Any]:
            async with self._client.pipeline(transaction=True) as pipeline:
                # One that is set after this look makes the transaction fail.
                await pipeline.watch(tombstone)
                if await pipeline.exists(tombstone):
                    raise ResponseError(REFUSAL)
                pipeline.multi()
                for command in commands:
                    pipeline.execute_command(*command)
                results: list[Any] = await pipeline.execute()
                return results

        return await self._remote.call(operation, run)

    async def having(
        self, operation: str, tenants: Sequence[Tenant], key_of: Callable[[str, str], str]
    ) -> list[Tenant]:
        """Return those of the tenants that have a key, asked in one go: 3 ms for a hundred.

        Parameters
        ----------
        key_of
            Makes the key from a tenant's id and uid.

        Raises
        ------
        RemoteUnavailable, RemoteRefused
            Redis did not answer, or refused.
        """
        keys = [key_of(tenant.id, tenant.uid) for tenant in tenants]
        for tenant, key in zip(tenants, keys, strict=True):
            _require_own(tenant, [key])

        async def run() -> list[Any]:
            async with self._client.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.exists(key)
                found: list[Any] = await pipeline.execute()
                return found

        found = await self._remote.call(operation, run)
        return [tenant for tenant, there in zip(tenants, found, strict=True) if there]

    async def close(self) -> None:
        """Let connections go."""
        await self._client.aclose()
        self._remote.close()


def _require_own(tenant: Tenant, keys: Iterable[str]) -> None:
    for key in keys:
        if not key.startswith(redis_prefix(tenant.id, tenant.uid)):
            raise ValueError(f"{key!r} is no key of {tenant.key}")
