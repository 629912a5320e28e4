"""In-memory fake of Redis with the scripts of :mod:`gateway.idempotency_store`."""

import json
from collections.abc import Callable
from typing import Any, cast

from gateway.redis import TenantRedis
from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant

__all__ = ["FakeIdempotencyRedis"]


class _Script:
    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run

    async def run(self, tenant: Tenant, keys: list[str], *arguments: int | str) -> Any:
        assert keys[0].startswith(f"{tenant.key}:")
        return self._run(keys[0], *arguments)


class FakeIdempotencyRedis:
    """Stores values by key without expiry; with ``unavailable`` every call fails."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.unavailable = False

    def register_script(self, operation: str, source: str) -> _Script:
        return _Script(self._acquire if operation == "acquire-request-lease" else self._write)

    def cast_to_real_class(self) -> TenantRedis:
        """Return this fake typed as the real class."""
        return cast("TenantRedis", self)

    def _acquire(self, key: str, value: str, _milliseconds: int) -> str:
        self._check()
        stored = self.values.get(key, "")
        self.values.setdefault(key, value)
        return stored

    def _write(self, key: str, token: str, value: str, _milliseconds: int) -> int:
        self._check()
        if json.loads(self.values.get(key, "{}")).get("token") != token:
            return 0
        self.values[key] = value
        if not value:
            del self.values[key]
        return 1

    def _check(self) -> None:
        if self.unavailable:
            raise BackendUnavailable("redis", "any", "host redis-1 is down")
