"""Tests of the import job against an in-memory n8n: interruption at every write, and error messages."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from n8n_install.install import WorkflowsNotInstalled, install, wait_for_webhooks
from n8n_install.n8n import N8n
from n8n_install.plan import ChangeAction
from n8n_install.workflows import load_workflows
from typing_extensions import override

from tests.support.faults.crashes import ProcessKilled

WORKFLOWS = load_workflows("http://gateway.example")
ACTIONS = [ChangeAction.CREATE, ChangeAction.PUBLISH] * 3


class FakeN8n(N8n):
    """In-memory n8n that raises ``ProcessKilled`` after ``writes_left`` writes."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.writes_left = 1_000
        self.checks_until_ready = 0
        self.dropped_key = ""

    @override
    async def is_ready(self) -> bool:
        self.checks_until_ready -= 1
        return self.checks_until_ready < 0

    @override
    async def get_workflow(self, workflow_id: str) -> dict[str, Any] | None:
        return self.stored.get(workflow_id)

    @override
    async def create_workflow(self, workflow_id: str, content: Mapping[str, Any]) -> None:
        self._count_write()
        live = {"versionId": "1", "activeVersionId": None}
        self.stored[workflow_id] = {**content, **live} | (
            {self.dropped_key: None} if self.dropped_key else {}
        )

    @override
    async def update_workflow(self, workflow_id: str, content: Mapping[str, Any]) -> None:
        self._count_write()
        version = str(int(self.stored[workflow_id]["versionId"]) + 1)
        self.stored[workflow_id] |= {**content, "versionId": version}

    @override
    async def publish_workflow(self, workflow_id: str, version_id: str) -> None:
        self._count_write()
        self.stored[workflow_id]["activeVersionId"] = version_id

    @override
    async def unarchive_workflow(self, workflow_id: str) -> None:
        self._count_write()
        self.stored[workflow_id]["isArchived"] = False

    def _count_write(self) -> None:
        if not self.writes_left:
            raise ProcessKilled
        self.writes_left -= 1


@pytest.fixture
def n8n() -> FakeN8n:
    return FakeN8n()


async def install_actions(n8n: N8n) -> list[ChangeAction]:
    return [change.action for change in await install(n8n, WORKFLOWS, wait_seconds=1)]


async def test_first_run_creates_and_publishes_all_and_second_run_changes_nothing(n8n: FakeN8n) -> None:
    assert await install_actions(n8n) == ACTIONS
    assert await install_actions(n8n) == []


@pytest.mark.parametrize("writes", range(6))
async def test_next_run_completes_an_interrupted_run(n8n: FakeN8n, writes: int) -> None:
    n8n.writes_left = writes
    with pytest.raises(ProcessKilled):
        await install_actions(n8n)
    n8n.writes_left = 1_000
    assert len(await install_actions(n8n)) == 6 - writes
    assert await install_actions(n8n) == []


async def test_changed_and_archived_workflow_is_restored_and_published(
    n8n: FakeN8n,
) -> None:
    await install_actions(n8n)
    n8n.stored[WORKFLOWS[1].id] |= {"isArchived": True, "activeVersionId": None, "nodes": []}
    assert await install_actions(n8n) == [ChangeAction.UNARCHIVE, ChangeAction.UPDATE, ChangeAction.PUBLISH]
    assert n8n.stored[WORKFLOWS[1].id]["activeVersionId"] == "2"


async def test_waits_until_n8n_is_ready(n8n: FakeN8n) -> None:
    n8n.checks_until_ready = 2
    assert len(await install(n8n, WORKFLOWS, wait_seconds=30)) == 6


async def test_n8n_that_never_becomes_ready_is_an_error(n8n: FakeN8n) -> None:
    n8n.checks_until_ready = 1_000
    with pytest.raises(WorkflowsNotInstalled, match="not ready after 0 seconds"):
        await install(n8n, WORKFLOWS, wait_seconds=0.01)


async def test_workflows_that_differ_after_import_are_an_error(n8n: FakeN8n) -> None:
    n8n.dropped_key = "settings"
    with pytest.raises(WorkflowsNotInstalled, match=r'does not keep .*"Tenantry: Errors" \(settings\.'):
        await install_actions(n8n)


async def test_waits_for_each_webhook_in_turn() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404 if len(asked) == 1 else 401)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        await wait_for_webhooks("http://n8n/", http, wait_seconds=10)
    assert asked == ["/webhook/tenantry/upload"] * 2 + ["/webhook/tenantry/chat"]


@pytest.mark.parametrize("status", [None, 200, 404, 500])
async def test_webhook_that_does_not_refuse_is_not_ready(status: int | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if status is None:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(status)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(WorkflowsNotInstalled, match="tenantry/upload does not answer"):
            async with asyncio.timeout(10):
                await wait_for_webhooks("http://n8n", http, wait_seconds=0.01)
