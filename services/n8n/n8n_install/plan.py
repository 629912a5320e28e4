"""Plan of the changes to n8n: compares desired and observed workflows, without I/O.

Only the id identifies a workflow. So a user's workflow never changes, even if it has the name of a Tenantry
workflow.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .workflows import Workflow

__all__ = ["Change", "ChangeAction", "list_differences", "plan"]


class ChangeAction(enum.Enum):
    """Kind of a change."""

    CREATE = "create"
    UNARCHIVE = "unarchive"
    UPDATE = "update"
    PUBLISH = "publish"
    """Publish the current version: n8n serves the webhooks of published versions only."""


@dataclass(frozen=True)
class Change:
    """One change to a workflow.

    Parameters
    ----------
    action
        Kind of the change.
    workflow
        The desired workflow.
    reasons
        Differences that cause the change, for the log.
    """

    action: ChangeAction
    workflow: Workflow
    reasons: tuple[str, ...]


def plan(desired: Iterable[Workflow], observed: Mapping[str, Mapping[str, Any] | None]) -> list[Change]:
    """Return the changes in the order in which they apply; empty if nothing differs.

    Parameters
    ----------
    desired
        The desired workflows.
    observed
        n8n's workflow for the id of each desired workflow; ``None`` if n8n has no workflow with the id.
    """
    return [change for workflow in desired for change in _plan_workflow(workflow, observed[workflow.id])]


def _plan_workflow(workflow: Workflow, observed: Mapping[str, Any] | None) -> list[Change]:
    if observed is None:
        return [
            Change(ChangeAction.CREATE, workflow, ("it is missing",)),
            Change(ChangeAction.PUBLISH, workflow, ("it is new",)),
        ]
    changes = []
    if observed.get("isArchived"):
        changes.append(Change(ChangeAction.UNARCHIVE, workflow, ("it is archived",)))
    differing = list_differences(workflow, observed)
    if differing:
        changes.append(Change(ChangeAction.UPDATE, workflow, differing))
    if differing or not _is_published(observed):
        changes.append(
            Change(ChangeAction.PUBLISH, workflow, differing or ("its current version is not published",))
        )
    return changes


def list_differences(workflow: Workflow, observed: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the fields in which an observed workflow differs from the desired workflow.

    Settings that n8n and its users add (for example a time zone), tags and folders are ignored.
    """
    content = workflow.content
    parts = [
        part
        for part in ("name", "description", "nodes", "connections", "pinData")
        if (observed.get(part) or None) != (content[part] or None)
    ]
    settings = observed.get("settings") or {}
    parts += [f"settings.{key}" for key, value in content["settings"].items() if settings.get(key) != value]
    return tuple(parts)


def _is_published(observed: Mapping[str, Any]) -> bool:
    return not observed.get("isArchived") and observed.get("activeVersionId") == observed.get("versionId")
