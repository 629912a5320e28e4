"""The installer on the real Open WebUI: once is enough, what drifted comes back, what is others' stays."""

import uuid
from typing import Any

import pytest

from .conftest import Office

pytestmark = pytest.mark.programs

OTHER = '''"""
title: Other
version: 1
"""


class Pipe:
    def pipe(self, body):
        return "other"
'''


async def everything(office: Office) -> dict[str, Any]:
    """Return all that the installer could have touched, with its times of change."""
    admin = office.webui.admin
    return {
        "functions": await admin.get("/api/v1/functions/export", params={"include_valves": "true"}),
        "models": await admin.get("/api/v1/models/all"),
        "groups": await admin.get("/api/v1/groups/"),
    }


async def test_a_second_run_writes_nothing(office: Office) -> None:
    await office.install()
    before = await everything(office)
    assert await office.install() == 0
    assert await everything(office) == before


async def test_what_is_installed_is_active_and_says_its_version(office: Office) -> None:
    functions = {each["id"]: each for each in await office.webui.admin.get("/api/v1/functions/export")}
    types = {"tenantry": "pipe", "tenantry_events": "event", "tenantry_erasure": "action"}
    assert {name: functions[name]["type"] for name in types} == types
    for name in types:
        assert functions[name]["is_active"]
        assert functions[name]["meta"]["manifest"]["version"] == "1.0.0"


async def test_what_drifted_comes_back(office: Office) -> None:
    admin = office.webui.admin
    wanted = await everything(office)
    await admin.post(
        "/api/v1/functions/id/tenantry/update",
        {"id": "tenantry", "name": "Mine", "content": OTHER, "meta": {"description": "Mine"}},
    )
    await admin.post("/api/v1/functions/id/tenantry_events/toggle", {})
    await admin.post("/api/v1/functions/id/tenantry_events/valves/update", {"hint_secret": "another"})
    await admin.post("/api/v1/models/model/access/update", {"id": "tenantry", "access_grants": []})
    await admin.post("/api/v1/models/model/delete", {"id": "tenantry_base"})
    # update, valves and activation, grants, record
    assert await office.install() == 5
    assert await office.install() == 0
    assert without_times(await everything(office)) == without_times(wanted)


async def test_what_is_others_stays(office: Office) -> None:
    admin, other = office.webui.admin, f"other_{uuid.uuid4().hex[:8]}"
    await admin.post(
        "/api/v1/functions/create",
        {"id": other, "name": "Other", "content": OTHER, "meta": {"description": "of somebody else"}},
    )
    await office.webui.set_valves(file_wait_seconds=7.0)
    try:
        before = await everything(office)
        assert await office.install() == 0
        assert await everything(office) == before
        await admin.post("/api/v1/functions/id/tenantry/toggle", {})
        assert await office.install() == 1
        valves = await admin.get("/api/v1/functions/id/tenantry/valves")
        assert valves["file_wait_seconds"] == 7.0
    finally:
        await admin.http.delete(f"/api/v1/functions/id/{other}/delete")
        await office.webui.set_valves(file_wait_seconds=20.0)


def without_times(found: dict[str, Any]) -> dict[str, Any]:
    """Return what was found without what changes with each write."""
    volatile = {"updated_at", "created_at", "version_id", "id", "resource_id"}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items() if key not in volatile}
        return sorted(map(plain, value), key=str) if isinstance(value, list) else value

    return {key: plain(each) for key, each in found.items()}
