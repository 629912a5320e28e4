"""Tests of the installer on the real Open WebUI: it is idempotent, repairs drift and keeps other objects."""

import uuid
from typing import Any

import pytest

from .conftest import OpenWebUIHarness

pytestmark = pytest.mark.programs

OTHER = '''"""
title: Other
version: 1
"""


class Pipe:
    def pipe(self, body):
        return "other"
'''


async def read_objects(harness: OpenWebUIHarness) -> dict[str, Any]:
    """Return all objects that the installer may change, with their timestamps."""
    admin = harness.webui.admin
    return {
        "functions": await admin.get("/api/v1/functions/export", params={"include_valves": "true"}),
        "models": await admin.get("/api/v1/models/all"),
        "groups": await admin.get("/api/v1/groups/"),
    }


async def test_a_second_run_writes_nothing(harness: OpenWebUIHarness) -> None:
    await harness.install()
    before = await read_objects(harness)
    assert await harness.install() == 0
    assert await read_objects(harness) == before


async def test_installed_functions_are_active_and_have_a_version(harness: OpenWebUIHarness) -> None:
    functions = {each["id"]: each for each in await harness.webui.admin.get("/api/v1/functions/export")}
    types = {"tenantry": "pipe", "tenantry_events": "event", "tenantry_erasure": "action"}
    assert {name: functions[name]["type"] for name in types} == types
    for name in types:
        assert functions[name]["is_active"]
        assert functions[name]["meta"]["manifest"]["version"] == "1.0.0"


async def test_drift_is_repaired(harness: OpenWebUIHarness) -> None:
    admin = harness.webui.admin
    wanted = await read_objects(harness)
    await admin.post(
        "/api/v1/functions/id/tenantry/update",
        {"id": "tenantry", "name": "Mine", "content": OTHER, "meta": {"description": "Mine"}},
    )
    await admin.post("/api/v1/functions/id/tenantry_events/toggle", {})
    await admin.post("/api/v1/functions/id/tenantry_events/valves/update", {"hint_secret": "another"})
    await admin.post("/api/v1/models/model/access/update", {"id": "tenantry", "access_grants": []})
    await admin.post("/api/v1/models/model/delete", {"id": "tenantry_base"})
    # update, valves and activation, grants, record
    assert await harness.install() == 5
    assert await harness.install() == 0
    assert remove_times(await read_objects(harness)) == remove_times(wanted)


async def test_other_objects_are_unchanged(harness: OpenWebUIHarness) -> None:
    admin, other = harness.webui.admin, f"other_{uuid.uuid4().hex[:8]}"
    await admin.post(
        "/api/v1/functions/create",
        {"id": other, "name": "Other", "content": OTHER, "meta": {"description": "another function"}},
    )
    await harness.webui.set_valves(file_timeout_seconds=7.0)
    try:
        before = await read_objects(harness)
        assert await harness.install() == 0
        assert await read_objects(harness) == before
        await admin.post("/api/v1/functions/id/tenantry/toggle", {})
        assert await harness.install() == 1
        valves = await admin.get("/api/v1/functions/id/tenantry/valves")
        assert valves["file_timeout_seconds"] == 7.0
    finally:
        await admin.http.delete(f"/api/v1/functions/id/{other}/delete")
        await harness.webui.set_valves(file_timeout_seconds=20.0)


def remove_times(found: dict[str, Any]) -> dict[str, Any]:
    """Return the objects without the fields that change with each write."""
    volatile = {"updated_at", "created_at", "version_id", "id", "resource_id"}

    def remove_time(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: remove_time(each) for key, each in value.items() if key not in volatile}
        return sorted(map(remove_time, value), key=str) if isinstance(value, list) else value

    return {key: remove_time(each) for key, each in found.items()}
