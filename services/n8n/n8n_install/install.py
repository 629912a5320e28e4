"""Import job for n8n: wait for n8n, apply the planned changes, verify them, and wait for the webhooks.

The job can be interrupted at any point and run again: each run plans from the observed state.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import structlog

from .n8n import N8n
from .plan import Change, ChangeAction, plan
from .workflows import WEBHOOKS, Workflow

__all__ = ["WorkflowsNotInstalled", "install", "wait_for_webhooks"]

POLL_INTERVAL_SECONDS = 0.5

WEBHOOK_TIMEOUT_SECONDS = 5.0
"""Timeout of one request to a webhook."""

log = structlog.get_logger("n8n_install")


class WorkflowsNotInstalled(Exception):
    """The job did not install the workflows; the message gives the reason and the remedy."""


async def install(n8n: N8n, workflows: list[Workflow], *, wait_seconds: float) -> list[Change]:
    """Create, update and publish the workflows in n8n; return the changes (empty if nothing differed).

    Raises
    ------
    WorkflowsNotInstalled
        n8n did not become ready, or the workflows differ again after the changes.
    BackendError
        n8n is unavailable or refused a change.
    """
    if not await _wait_until(n8n.is_ready, wait_seconds):
        raise WorkflowsNotInstalled(f"n8n is not ready after {wait_seconds:.0f} seconds. Its log says why.")
    changes = plan(workflows, await _observe(n8n, workflows))
    for change in changes:
        await _apply(n8n, change)
        log.info(
            "Workflow changed",
            action=change.action.value,
            workflow=change.workflow.name,
            reasons=change.reasons,
        )
    if changes and (remaining := plan(workflows, await _observe(n8n, workflows))):
        names = " and ".join(
            sorted({f'"{change.workflow.name}" ({", ".join(change.reasons)})' for change in remaining})
        )
        raise WorkflowsNotInstalled(
            f"n8n does not keep {names} as imported. A user may be editing the workflow; otherwise this "
            f"version of n8n stores workflows differently from the version that they were made for."
        )
    return changes


async def wait_for_webhooks(url: str, http: httpx.AsyncClient, *, wait_seconds: float) -> None:
    """Wait until each webhook refuses a request without a credential, which proves that its workflow runs.

    Raises
    ------
    WorkflowsNotInstalled
        A webhook did not answer in time.
    """
    for path in WEBHOOKS:
        address = f"{url.rstrip('/')}/webhook/{path}"

        async def is_refused(address: str = address) -> bool:
            try:
                response = await http.post(address, timeout=WEBHOOK_TIMEOUT_SECONDS)
            except httpx.HTTPError:
                return False
            return response.status_code == httpx.codes.UNAUTHORIZED

        if not await _wait_until(is_refused, wait_seconds):
            raise WorkflowsNotInstalled(
                f"The webhook {path} does not answer after {wait_seconds:.0f} seconds, though its workflow "
                f"is published. Are n8n's webhook process and a worker running?"
            )


async def _observe(n8n: N8n, workflows: list[Workflow]) -> dict[str, dict[str, Any] | None]:
    return {workflow.id: await n8n.get_workflow(workflow.id) for workflow in workflows}


async def _apply(n8n: N8n, change: Change) -> None:
    workflow = change.workflow
    match change.action:
        case ChangeAction.CREATE:
            await n8n.create_workflow(workflow.id, workflow.content)
        case ChangeAction.UNARCHIVE:
            await n8n.unarchive_workflow(workflow.id)
        case ChangeAction.UPDATE:
            await n8n.update_workflow(workflow.id, workflow.content)
        case ChangeAction.PUBLISH:
            observed = await n8n.get_workflow(workflow.id)
            if observed is None:
                raise WorkflowsNotInstalled(f'"{workflow.name}" was deleted while it was being imported.')
            await n8n.publish_workflow(workflow.id, observed["versionId"])


async def _wait_until(check: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Return True once ``check`` returns True; False if the time runs out first."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await check():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(POLL_INTERVAL_SECONDS)
    return True
