"""Parts of the operator as the wiring builds them, and checks of their contract on a real platform."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any
from unittest.mock import Mock

import pytest
from servicekit.errors import RemoteUnavailable
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenant_operator.context import Clients, build_parts
from tenant_operator.disabled_part import DisabledPart
from tenant_operator.part import Part

__all__ = [
    "build_all_parts",
    "check_release",
    "check_removal",
    "check_second_run",
    "list_enabled",
    "recorded_calls",
]

AnyPart = Part[Any]


def build_all_parts() -> list[AnyPart]:
    """Return every part of a platform with all systems; its clients are mocks."""
    clients = Clients(**{field.name: Mock() for field in fields(Clients)})
    return [part for part in build_parts(clients) if not isinstance(part, DisabledPart)]


def list_enabled(*, open_webui: bool) -> list[str]:
    """Return the names of the parts of a platform with or without Open WebUI."""
    clients: dict[str, Any] = {field.name: Mock() for field in fields(Clients)}
    parts = build_parts(Clients(**clients | ({} if open_webui else {"open_webui": None})))
    return [part.name for part in parts if not isinstance(part, DisabledPart)]


@contextmanager
def recorded_calls(*systems: str) -> Iterator[list[str]]:
    """Record the operations of all calls to some systems, or to every system."""
    made: list[str] = []
    original = Remote.call

    async def call(self: Remote, operation: str, function: Any, **arguments: Any) -> Any:
        if not systems or self.system in systems:
            made.append(operation)
        return await original(self, operation, function, **arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "call", call)
        yield made


async def check_second_run(part: AnyPart, tenant: Tenant) -> None:
    """Check that ``ensure`` makes no call for a Tenant that is as declared, and returns its section."""
    observed = await part.observe(tenant)
    with recorded_calls() as calls:
        result = await part.ensure(tenant, observed)
    assert result.changes == [], f"a second run changes {result.changes}"
    assert calls == [], f"ensure makes calls in a second run: {calls}"
    if part.section is None:
        assert result.status == {}, "a part without a section returns one"
        return
    section = part.section.model_validate(result.status)
    assert section.model_dump(by_alias=True, exclude_none=True) == result.status, "the model drops a field"
    stored = tenant.status.model_dump(by_alias=True, exclude_none=True).get(part.name)
    assert stored == result.status, "the API server drops a field"


async def check_removal(part: AnyPart, tenant: Tenant, before: Any) -> None:
    """Check that ``remove`` leaves nothing, twice, and that the state is the one before the first run."""
    for _ in range(2):
        await _retry(part, tenant)
        remaining = {kind: count for kind, count in (await part.count(tenant)).items() if count}
        assert remaining == {}, f"remove leaves {remaining}"
    blank = tenant.model_copy(update={"status": type(tenant.status)()})
    after = await part.observe(blank)
    assert after == before, f"remove leaves {after} instead of {before}"


async def check_release(part: AnyPart, tenant: Tenant) -> None:
    """Check that ``release`` keeps only the kinds in ``retained``, and that a second call changes nothing."""
    await part.release(tenant)
    first = await part.count(tenant)
    kept = {kind for kind, count in first.items() if count and not kind.startswith(part.retained)}
    assert kept == set(), f"release keeps {kept}"
    await part.release(tenant)
    second = await part.count(tenant)
    assert second == first, f"a second release changes {first} to {second}"


async def _retry(part: AnyPart, tenant: Tenant) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                return await part.remove(tenant)
            except RemoteUnavailable:  # Kubernetes is still removing the namespace
                await asyncio.sleep(0.2)
