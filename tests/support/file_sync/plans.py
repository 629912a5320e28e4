"""Plans of one tenant, for tests of the planner."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from file_sync.models import File, ListedDocument, Owner, StorageUsage
from file_sync.planner.models import ActionType, FileState, Plan, PlanConfig
from file_sync.planner.persona_index import PersonaIndex
from file_sync.planner.plan import build_plan

from tests.support.file_sync.files import BUCKET, make_file, make_tenant_with_workspace

__all__ = ["BENS", "CONFIG", "OWNERS", "get_states", "list_actions", "make_plan", "make_removed_file"]

OWNERS = {
    "anna": Owner("tenanta"),
    "ben": Owner("tenanta"),
    "dora": Owner("tenanta", admin=True),
    "bob": Owner("tenantb"),
    "eve": Owner("tenantb", admin=True),
    "no-tenant": Owner(None),
    "unknown": Owner(known=False),
}
"""Owners by subject; all other subjects count as not resolved yet."""

CONFIG = PlanConfig(document_bytes=100, bucket=BUCKET)

BENS: dict[str, Any] = {"owner": "owui-ben", "subject": "ben"}
"""Values of a file of Ben, a colleague of Anna."""


def make_plan(
    files: Sequence[File],
    documents: Sequence[ListedDocument],
    detached: Sequence[File] = (),
    owners: Mapping[str, Owner] = OWNERS,
    **spec: Any,
) -> Plan:
    """Return the plan for ``tenanta``.

    Parameters
    ----------
    detached
        Existing files without a link. All other files without a link are deleted.
    """
    tenants = [make_tenant_with_workspace(**spec), make_tenant_with_workspace("tenantb")]
    return build_plan(
        tenants[0],
        files,
        documents,
        personas=PersonaIndex(tenants),
        owners=owners,
        usage=StorageUsage.from_documents(documents),
        config=CONFIG,
        detached={file.document_id: file for file in detached},
    )


def make_removed_file(file_id: str = "f1", **values: Any) -> File:
    """Return a file of Anna that was uploaded into a knowledge base and removed from it."""
    return replace(make_file(file_id, **{"knowledge": "kb-tenanta-finance", **values}), links=())


def list_actions(planned: Plan) -> list[tuple[ActionType, str]]:
    """Return the type and the document of each action."""
    return [(action.type, action.document_id) for action in planned.actions]


def get_states(planned: Plan) -> dict[str, FileState]:
    """Return the state of each file."""
    return {file_id: report.state for file_id, report in planned.reports.items()}
