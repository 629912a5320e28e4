"""Plans of one tenant, for tests of the planner."""

from collections.abc import Mapping, Sequence
from typing import Any

from file_sync.models import Document, File, Owner, StorageUsage
from file_sync.planner.models import Plan, PlanConfig
from file_sync.planner.persona_index import PersonaIndex
from file_sync.planner.plan import plan

from .open_webui_files import BUCKET, tenant_with_workspace

__all__ = ["CONFIG", "OWNERS", "compare"]

OWNERS = {
    "anna": Owner("tenanta"),
    "ben": Owner("tenanta"),
    "dora": Owner("tenanta", admin=True),
    "bob": Owner("tenantb"),
    "eve": Owner("tenantb", admin=True),
    "no-tenant": Owner(None),
    "unknown": Owner(known=False),
}
"""Resolved owners; any other subject is not resolved yet."""

CONFIG = PlanConfig(document_bytes=100, bucket=BUCKET)


def compare(
    files: Sequence[File],
    documents: Sequence[Document],
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
    tenants = [tenant_with_workspace(**spec), tenant_with_workspace("tenantb")]
    return plan(
        tenants[0],
        files,
        documents,
        personas=PersonaIndex(tenants),
        owners=owners,
        usage=StorageUsage.from_documents(documents),
        config=CONFIG,
        detached={file.document_id: file for file in detached},
    )
