"""The job: wait for n8n, compare, do what differs, look again, wait until the webhooks answer.

It can be cut off anywhere and run again: whatever it finds is where it goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import structlog

from .n8n import N8n
from .plan import Act, Step, plan
from .workflows import WEBHOOKS, Workflow

__all__ = ["NotInstalled", "install", "wait_for_webhooks"]

POLL_SECONDS = 0.5

LOOK_SECONDS = 5.0
"""How long one look at a webhook may take."""

log = structlog.get_logger("n8n_install")


class NotInstalled(Exception):
    """The workflows are not in place; the message says why, and what to do."""


async def install(n8n: N8n, workflows: list[Workflow], *, wait_seconds: float) -> list[Step]:
    """Make n8n have the workflows, and return what was done: nothing, when nothing differed.

    Raises
    ------
    NotInstalled
        n8n did not come up, or is not as it was just made: somebody else changes it at the same time.
    RemoteError
        n8n does not answer (any more), or refuses a step.
    """
    if not await _within(wait_seconds, n8n.ready):
        raise NotInstalled(f"n8n is not ready after {wait_seconds:.0f} seconds. Its log says why.")
    steps = plan(workflows, await _observe(n8n, workflows))
    for step in steps:
        await _do(n8n, step)
        log.info("Workflow changed", act=step.act.value, workflow=step.workflow.name, reasons=step.reasons)
    if steps and (left := plan(workflows, await _observe(n8n, workflows))):
        names = " and ".join(sorted({f'"{step.workflow.name}" ({", ".join(step.reasons)})' for step in left}))
        raise NotInstalled(
            f"n8n does not keep {names} as imported. Somebody may be editing it; else this version of n8n "
            f"stores workflows in another way than the one that they were made for."
        )
    return steps


async def wait_for_webhooks(url: str, http: httpx.AsyncClient, *, wait_seconds: float) -> None:
    """Wait until each webhook turns away a caller without credential: then its workflow runs.

    Raises
    ------
    NotInstalled
        One does not in time.
    """
    for path in WEBHOOKS:
        address = f"{url.rstrip('/')}/webhook/{path}"

        async def refuses(address: str = address) -> bool:
            try:
                response = await http.post(address, timeout=LOOK_SECONDS)
            except httpx.HTTPError:
                return False
            return response.status_code == httpx.codes.UNAUTHORIZED

        if not await _within(wait_seconds, refuses):
            raise NotInstalled(
                f"The webhook {path} does not answer after {wait_seconds:.0f} seconds, though its workflow "
                f"is published. Are n8n's webhook process and a worker running?"
            )


async def _observe(n8n: N8n, workflows: list[Workflow]) -> dict[str, dict[str, Any] | None]:
    return {workflow.id: await n8n.workflow(workflow.id) for workflow in workflows}


async def _do(n8n: N8n, step: Step) -> None:
    workflow = step.workflow
    match step.act:
        case Act.CREATE:
            await n8n.create(workflow.id, workflow.content)
        case Act.UNARCHIVE:
            await n8n.unarchive(workflow.id)
        case Act.UPDATE:
            await n8n.update(workflow.id, workflow.content)
        case Act.PUBLISH:
            present = await n8n.workflow(workflow.id)
            if present is None:
                raise NotInstalled(f'"{workflow.name}" was deleted while it was being imported.')
            await n8n.publish(workflow.id, present["versionId"])


async def _within(seconds: float, check: Callable[[], Awaitable[bool]]) -> bool:
    """Tell whether ``check`` comes true in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await check():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
