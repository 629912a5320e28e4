"""Parts of the operator as the wiring builds them, and checks of their contract on a real platform."""

import asyncio
from collections import Counter
from dataclasses import fields
from typing import Any
from unittest.mock import Mock

from servicekit.errors import BackendUnavailable
from tenancy.model import Tenant
from tenant_operator.conditions import build_condition_type
from tenant_operator.context import Clients, build_parts
from tenant_operator.disabled_part import DisabledPart
from tenant_operator.part import Part

from tests.support.backends.observed import Observed
from tests.support.programs.remote_calls import record_calls

__all__ = [
    "build_all_parts",
    "check_release",
    "check_removal",
    "check_second_run",
    "list_conditions",
    "list_enabled",
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


def list_conditions(*, open_webui: bool) -> set[str]:
    """Return the types of the conditions of all parts of a platform with or without Open WebUI."""
    return {build_condition_type(name) for name in list_enabled(open_webui=open_webui)}


async def check_second_run(part: AnyPart, tenant: Tenant) -> None:
    """Check that a second ``ensure`` makes no call, and returns the section of the status."""
    observed = await part.observe(tenant)
    with record_calls() as calls:
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


async def check_removal(part: AnyPart, tenant: Tenant, before: Any, observed: Observed) -> None:
    """Check that ``remove`` leaves nothing, can be repeated, and restores the state before the first run.

    Also check that ``count`` finds at least as many objects as ``remove`` deletes: it must omit no kind.
    """
    counted = sum((await part.count(tenant)).values())
    assert counted, "count finds nothing of a Tenant that is as declared"
    data = _count_data(observed, tenant)
    for _ in range(2):
        await _retry(part, tenant)
        remaining = {kind: count for kind, count in (await part.count(tenant)).items() if count}
        assert remaining == {}, f"remove leaves {remaining}"
    removed = data - _count_data(observed, tenant)
    assert counted >= removed.total(), f"count finds {counted} objects, but remove deletes {dict(removed)}"
    blank = tenant.model_copy(update={"status": type(tenant.status)()})
    after = await part.observe(blank)
    assert after == before, f"remove leaves {after} instead of {before}"


async def check_release(part: AnyPart, tenant: Tenant) -> None:
    """Check that ``release`` keeps only ``retained`` objects, and that a second call changes nothing."""
    await part.release(tenant)
    first = await part.count(tenant)
    kept = {counter for counter, count in first.items() if count and not counter.startswith(part.retained)}
    assert kept == set(), f"release keeps {kept}"
    await part.release(tenant)
    second = await part.count(tenant)
    assert second == first, f"a second release changes {first} to {second}"


def _count_data(observed: Observed, tenant: Tenant) -> Counter[str]:
    """Return the number of the tenant's objects by system, without the operator's code."""
    sizes: Counter[str] = Counter()
    for system, data in observed.find_data(tenant.id).items():
        match data:
            case int():
                sizes[system] = data
            case list():
                sizes[system] = len(data)
            case _:
                sizes[system] = 1
    return sizes


async def _retry(part: AnyPart, tenant: Tenant) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                return await part.remove(tenant)
            except BackendUnavailable:  # Kubernetes is still removing the namespace
                await asyncio.sleep(0.2)
