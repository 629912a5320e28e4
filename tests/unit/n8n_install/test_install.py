"""The job, against an n8n that keeps workflows in memory: where it can be cut off, and what it says."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from n8n_install.install import NotInstalled, install, wait_for_webhooks
from n8n_install.n8n import N8n
from n8n_install.plan import Act
from n8n_install.workflows import load
from typing_extensions import override

WORKFLOWS = load("http://gateway.example")
ACTS = [Act.CREATE, Act.PUBLISH] * 3


class Killed(Exception):
    """The job dies here."""


class FakeN8n(N8n):
    """Keeps what it is given; ``fuse`` writes on, it kills the job."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.fuse = 1_000
        self.up_after = 0
        self.forgets = ""

    @override
    async def ready(self) -> bool:
        self.up_after -= 1
        return self.up_after < 0

    @override
    async def workflow(self, workflow_id: str) -> dict[str, Any] | None:
        return self.kept.get(workflow_id)

    @override
    async def create(self, workflow_id: str, content: Mapping[str, Any]) -> None:
        self._burn()
        live = {"versionId": "1", "activeVersionId": None}
        self.kept[workflow_id] = {**content, **live} | ({self.forgets: None} if self.forgets else {})

    @override
    async def update(self, workflow_id: str, content: Mapping[str, Any]) -> None:
        self._burn()
        version = str(int(self.kept[workflow_id]["versionId"]) + 1)
        self.kept[workflow_id] |= {**content, "versionId": version}

    @override
    async def publish(self, workflow_id: str, version_id: str) -> None:
        self._burn()
        self.kept[workflow_id]["activeVersionId"] = version_id

    @override
    async def unarchive(self, workflow_id: str) -> None:
        self._burn()
        self.kept[workflow_id]["isArchived"] = False

    def _burn(self) -> None:
        if not self.fuse:
            raise Killed
        self.fuse -= 1


@pytest.fixture
def n8n() -> FakeN8n:
    return FakeN8n()


async def acts(n8n: N8n) -> list[Act]:
    return [step.act for step in await install(n8n, WORKFLOWS, wait_seconds=1)]


async def test_everything_is_made_and_published_then_nothing_is_done(n8n: FakeN8n) -> None:
    assert await acts(n8n) == ACTS
    assert await acts(n8n) == []


@pytest.mark.parametrize("writes", range(6))
async def test_cut_off_anywhere_the_next_run_completes_it(n8n: FakeN8n, writes: int) -> None:
    n8n.fuse = writes
    with pytest.raises(Killed):
        await acts(n8n)
    n8n.fuse = 1_000
    assert len(await acts(n8n)) == 6 - writes
    assert await acts(n8n) == []


async def test_a_changed_and_archived_workflow_is_put_right_and_its_newest_version_published(
    n8n: FakeN8n,
) -> None:
    await acts(n8n)
    n8n.kept[WORKFLOWS[1].id] |= {"isArchived": True, "activeVersionId": None, "nodes": []}
    assert await acts(n8n) == [Act.UNARCHIVE, Act.UPDATE, Act.PUBLISH]
    assert n8n.kept[WORKFLOWS[1].id]["activeVersionId"] == "2"


async def test_an_n8n_that_comes_up_late_is_waited_for(n8n: FakeN8n) -> None:
    n8n.up_after = 2
    assert len(await install(n8n, WORKFLOWS, wait_seconds=30)) == 6


async def test_an_n8n_that_does_not_come_up_is_said(n8n: FakeN8n) -> None:
    n8n.up_after = 1_000
    with pytest.raises(NotInstalled, match="not ready after 0 seconds"):
        await install(n8n, WORKFLOWS, wait_seconds=0.01)


async def test_an_n8n_that_does_not_keep_what_it_is_given_is_said(n8n: FakeN8n) -> None:
    n8n.forgets = "settings"
    with pytest.raises(NotInstalled, match=r'does not keep .*"Tenantry: Errors" \(settings\.'):
        await acts(n8n)


async def test_webhooks_are_waited_for_one_after_the_other() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404 if len(asked) == 1 else 401)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        await wait_for_webhooks("http://n8n/", http, wait_seconds=10)
    assert asked == ["/webhook/tenantry/upload"] * 2 + ["/webhook/tenantry/chat"]


@pytest.mark.parametrize("status", [None, 200, 404, 500])
async def test_a_webhook_that_does_not_refuse_is_not_ready(status: int | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if status is None:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(status)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with pytest.raises(NotInstalled, match="tenantry/upload does not answer"):
            async with asyncio.timeout(10):
                await wait_for_webhooks("http://n8n", http, wait_seconds=0.01)
