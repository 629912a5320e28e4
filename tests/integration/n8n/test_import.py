"""Tests of the import: it is idempotent, repairs drift and leaves users' workflows unchanged."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from n8n_install.n8n import N8n
from n8n_install.workflows import WEBHOOKS

from .conftest import N8nHarness

UPLOAD = "TenantryUpload01"
TABLES = ("workflow_entity", "workflow_history", "workflow_publish_history", "webhook_entity", "tag_entity")
"""Tables to which a change of a workflow writes."""


@pytest.fixture
async def owner(harness: N8nHarness) -> AsyncIterator[N8n]:
    """Client of n8n's owner."""
    async with httpx.AsyncClient(timeout=20) as http:
        yield N8n(harness.n8n.url, harness.n8n.owner, harness.n8n.password, http)


def read_tables(harness: N8nHarness) -> dict[str, list[Any]]:
    return {table: harness.n8n.fetch_rows(f"select * from {table} order by 1, 2") for table in TABLES}


async def count_import_steps(harness: N8nHarness) -> int:
    """Import the workflows and return the number of changes."""
    ended, log = await harness.import_workflows()
    assert ended == 0, log
    return log.count('"event": "Workflow changed"')


async def test_a_second_import_changes_nothing(harness: N8nHarness) -> None:
    before = read_tables(harness)
    assert await count_import_steps(harness) == 0
    assert read_tables(harness) == before


async def test_a_changed_workflow_is_repaired_and_active(harness: N8nHarness, owner: N8n) -> None:
    found = await owner.get_workflow(UPLOAD)
    assert found
    nodes = [node | {"parameters": node["parameters"] | {"path": "elsewhere"}} for node in found["nodes"]]
    await owner.update_workflow(
        UPLOAD, {"name": "Mine now", "nodes": nodes, "settings": {"saveDataErrorExecution": "all"}}
    )
    assert await count_import_steps(harness) == 2
    again = await owner.get_workflow(UPLOAD)
    assert again
    for part in ("name", "nodes", "connections", "settings"):
        assert again[part] == found[part]
    assert again["activeVersionId"] == again["versionId"]
    assert (await harness.upload()).status_code == 200
    assert await count_import_steps(harness) == 0


async def test_an_unmanaged_setting_is_kept(harness: N8nHarness, owner: N8n) -> None:
    await owner.update_workflow(UPLOAD, {"settings": {"timezone": "Europe/Berlin"}})
    assert await count_import_steps(harness) == 0
    found = await owner.get_workflow(UPLOAD)
    assert found
    assert found["settings"]["timezone"] == "Europe/Berlin"


async def test_a_deactivated_workflow_is_activated(harness: N8nHarness, owner: N8n) -> None:
    await owner._send("deactivate", "POST", f"/workflows/{UPLOAD}/deactivate", {})
    assert await count_import_steps(harness) == 1
    assert (await harness.upload()).status_code == 200


async def test_an_archived_workflow_is_restored(harness: N8nHarness, owner: N8n) -> None:
    await owner._send("archive", "POST", f"/workflows/{UPLOAD}/archive", {})
    assert await count_import_steps(harness) == 2
    assert (await harness.upload()).status_code == 200


async def test_a_deleted_workflow_is_recreated_with_its_id(harness: N8nHarness, owner: N8n) -> None:
    await owner._send("archive", "POST", f"/workflows/{UPLOAD}/archive", {})
    assert not harness.n8n.fetch_rows(f"select 1 as it from webhook_entity where \"workflowId\" = '{UPLOAD}'")
    await owner._send("delete", "DELETE", f"/workflows/{UPLOAD}")
    assert await count_import_steps(harness) == 2
    assert (await harness.upload()).status_code == 200


async def test_a_users_workflow_is_unchanged_even_with_the_same_name(harness: N8nHarness, owner: N8n) -> None:
    node = {
        "id": "a", "name": "Mine", "type": "n8n-nodes-base.webhook", "typeVersion": 2.1, "position": [0, 0],
        "webhookId": "mine", "parameters": {"path": "mine", "options": {}},
    }  # fmt: skip
    name = "Digital Twin Upload (Multi-tenant)"
    await owner.create_workflow(
        "OfAUser000000001", {"name": name, "nodes": [node], "connections": {}, "settings": {}}
    )
    before = await owner.get_workflow("OfAUser000000001")
    assert await count_import_steps(harness) == 0
    assert await owner.get_workflow("OfAUser000000001") == before


async def test_a_wrong_password_is_reported(harness: N8nHarness) -> None:
    ended, log = await harness.import_workflows(N8N_INSTALL_PASSWORD="wrong-Password-1")
    assert ended == 1
    assert "the owner's e-mail address or password is wrong" in log
    assert "wrong-Password-1" not in log


async def test_an_unreachable_n8n_is_reported(harness: N8nHarness) -> None:
    ended, log = await harness.import_workflows(
        N8N_INSTALL_URL="http://127.0.0.1:9", N8N_INSTALL_READY_TIMEOUT_SECONDS="1"
    )
    assert ended == 1
    assert "n8n is not ready after 1 seconds" in log


async def test_webhooks_that_do_not_answer_are_reported(harness: N8nHarness) -> None:
    ended, log = await harness.import_workflows(
        N8N_INSTALL_WEBHOOK_URL="http://127.0.0.1:9", N8N_INSTALL_READY_TIMEOUT_SECONDS="5"
    )
    assert ended == 1
    assert f"The webhook {WEBHOOKS[0]} does not answer" in log


async def test_an_invalid_setting_is_named(harness: N8nHarness) -> None:
    ended, log = await harness.import_workflows(N8N_INSTALL_GATEWAY_URL="gateway")
    assert ended == 2
    assert "N8N_INSTALL_GATEWAY_URL: " in log
