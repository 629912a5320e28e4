"""What has to be done so that n8n has the workflows as they are to be: a comparison, without any I/O.

A workflow is known by its id alone. So a user's own is left alone, even one of the same name.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .workflows import Workflow

__all__ = ["Act", "Step", "differences", "plan"]


class Act(enum.Enum):
    """What is done to a workflow."""

    CREATE = "create"
    UNARCHIVE = "unarchive"
    UPDATE = "update"
    PUBLISH = "publish"
    """Put its present version live; n8n has the webhooks of published versions only."""


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Parameters
    ----------
    act
        What.
    workflow
        To which workflow.
    reasons
        What differs, for the log.
    """

    act: Act
    workflow: Workflow
    reasons: tuple[str, ...]


def plan(desired: Iterable[Workflow], observed: Mapping[str, Mapping[str, Any] | None]) -> list[Step]:
    """Return the steps, in their order; none when nothing differs.

    Parameters
    ----------
    desired
        The workflows as they are to be.
    observed
        What n8n has under each of their ids; ``None`` for nothing.
    """
    return [step for workflow in desired for step in _steps(workflow, observed[workflow.id])]


def _steps(workflow: Workflow, observed: Mapping[str, Any] | None) -> list[Step]:
    if observed is None:
        return [
            Step(Act.CREATE, workflow, ("it is missing",)),
            Step(Act.PUBLISH, workflow, ("it is new",)),
        ]
    steps = []
    if observed.get("isArchived"):
        steps.append(Step(Act.UNARCHIVE, workflow, ("it is archived",)))
    changed = differences(workflow, observed)
    if changed:
        steps.append(Step(Act.UPDATE, workflow, changed))
    if changed or not _is_live(observed):
        steps.append(Step(Act.PUBLISH, workflow, changed or ("its present version is not published",)))
    return steps


def differences(workflow: Workflow, observed: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which parts of a workflow are not as they are to be.

    n8n and its users may add settings (a time zone, say), tags and a folder: these are not ours.
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


def _is_live(observed: Mapping[str, Any]) -> bool:
    return not observed.get("isArchived") and observed.get("activeVersionId") == observed.get("versionId")
