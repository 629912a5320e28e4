"""Importing: twice changes nothing, what differs is put right, what is not ours is left alone."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from n8n_install.n8n import N8n
from n8n_install.workflows import WEBHOOKS

from .conftest import Stage

UPLOAD = "TenantryUpload01"
TRACES = ("workflow_entity", "workflow_history", "workflow_publish_history", "webhook_entity", "tag_entity")
"""Where a changed workflow leaves something."""


@pytest.fixture
async def owner(stage: Stage) -> AsyncIterator[N8n]:
    """A person in the editor."""
    async with httpx.AsyncClient(timeout=20) as http:
        yield N8n(stage.n8n.url, stage.n8n.owner, stage.n8n.password, http)


def everything(stage: Stage) -> dict[str, list[Any]]:
    return {table: stage.n8n.sql(f"select * from {table} order by 1, 2") for table in TRACES}


async def imports(stage: Stage) -> int:
    """Import, and return how many steps it took."""
    ended, log = await stage.import_workflows()
    assert ended == 0, log
    return log.count('"event": "Workflow changed"')


async def test_a_second_import_changes_nothing(stage: Stage) -> None:
    before = everything(stage)
    assert await imports(stage) == 0
    assert everything(stage) == before


async def test_a_changed_workflow_is_put_right_and_live_at_once(stage: Stage, owner: N8n) -> None:
    found = await owner.get_workflow(UPLOAD)
    assert found
    nodes = [node | {"parameters": node["parameters"] | {"path": "elsewhere"}} for node in found["nodes"]]
    await owner.update_workflow(
        UPLOAD, {"name": "Mine now", "nodes": nodes, "settings": {"saveDataErrorExecution": "all"}}
    )
    assert await imports(stage) == 2
    again = await owner.get_workflow(UPLOAD)
    assert again
    for part in ("name", "nodes", "connections", "settings"):
        assert again[part] == found[part]
    assert again["activeVersionId"] == again["versionId"]
    assert (await stage.upload()).status_code == 200
    assert await imports(stage) == 0


async def test_a_setting_of_the_operators_own_stays(stage: Stage, owner: N8n) -> None:
    await owner.update_workflow(UPLOAD, {"settings": {"timezone": "Europe/Berlin"}})
    assert await imports(stage) == 0
    found = await owner.get_workflow(UPLOAD)
    assert found
    assert found["settings"]["timezone"] == "Europe/Berlin"


async def test_a_workflow_that_was_switched_off_is_switched_on(stage: Stage, owner: N8n) -> None:
    await owner._send("deactivate", "POST", f"/workflows/{UPLOAD}/deactivate", {})
    assert await imports(stage) == 1
    assert (await stage.upload()).status_code == 200


async def test_an_archived_workflow_comes_back(stage: Stage, owner: N8n) -> None:
    await owner._send("archive", "POST", f"/workflows/{UPLOAD}/archive", {})
    assert await imports(stage) == 2
    assert (await stage.upload()).status_code == 200


async def test_a_deleted_workflow_comes_back_under_its_id(stage: Stage, owner: N8n) -> None:
    await owner._send("archive", "POST", f"/workflows/{UPLOAD}/archive", {})
    assert not stage.n8n.sql(f"select 1 as it from webhook_entity where \"workflowId\" = '{UPLOAD}'")
    await owner._send("delete", "DELETE", f"/workflows/{UPLOAD}")
    assert await imports(stage) == 2
    assert (await stage.upload()).status_code == 200


async def test_a_users_own_workflow_is_left_alone_even_under_our_name(stage: Stage, owner: N8n) -> None:
    node = {
        "id": "a", "name": "Mine", "type": "n8n-nodes-base.webhook", "typeVersion": 2.1, "position": [0, 0],
        "webhookId": "mine", "parameters": {"path": "mine", "options": {}},
    }  # fmt: skip
    name = "Digital Twin Upload (Multi-tenant)"
    await owner.create_workflow(
        "OfAUser000000001", {"name": name, "nodes": [node], "connections": {}, "settings": {}}
    )
    before = await owner.get_workflow("OfAUser000000001")
    assert await imports(stage) == 0
    assert await owner.get_workflow("OfAUser000000001") == before


async def test_a_wrong_password_is_said_in_a_sentence(stage: Stage) -> None:
    ended, log = await stage.import_workflows(N8N_INSTALL_PASSWORD="wrong-Password-1")
    assert ended == 1
    assert "the owner's e-mail address or password is wrong" in log
    assert "wrong-Password-1" not in log


async def test_an_n8n_that_is_not_there_is_said_in_a_sentence(stage: Stage) -> None:
    ended, log = await stage.import_workflows(
        N8N_INSTALL_URL="http://127.0.0.1:9", N8N_INSTALL_WAIT_SECONDS="1"
    )
    assert ended == 1
    assert "n8n is not ready after 1 seconds" in log


async def test_webhooks_that_do_not_answer_are_said_in_a_sentence(stage: Stage) -> None:
    ended, log = await stage.import_workflows(
        N8N_INSTALL_WEBHOOK_URL="http://127.0.0.1:9", N8N_INSTALL_WAIT_SECONDS="5"
    )
    assert ended == 1
    assert f"The webhook {WEBHOOKS[0]} does not answer" in log


async def test_a_missing_setting_is_named(stage: Stage) -> None:
    ended, log = await stage.import_workflows(N8N_INSTALL_GATEWAY_URL="gateway")
    assert ended == 2
    assert "N8N_INSTALL_GATEWAY_URL: " in log
