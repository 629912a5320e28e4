"""Comparisons of files with documents, of one tenant."""

from collections.abc import Mapping, Sequence
from typing import Any

from file_sync.models import Document, File, Owner, Usage
from file_sync.planner.persona_index import Places
from file_sync.planner.plan import Plan, Rules, plan

from .files_of_open_webui import BUCKET, tenant_with

__all__ = ["OWNERS", "RULES", "compare"]

OWNERS = {
    "anna": Owner("tenanta"),
    "ben": Owner("tenanta"),
    "dora": Owner("tenanta", admin=True),
    "bob": Owner("tenantb"),
    "eve": Owner("tenantb", admin=True),
    "nobody": Owner(None),
    "somebody": Owner(known=False),
}
"""What Keycloak says of accounts; of any other it has not been asked."""

RULES = Rules(document_bytes=100, bucket=BUCKET)


def compare(
    files: Sequence[File],
    documents: Sequence[Document],
    detached: Sequence[File] = (),
    owners: Mapping[str, Owner] = OWNERS,
    **spec: Any,
) -> Plan:
    """Compare for ``tenanta``; ``detached`` are files without a link, all others without one are gone."""
    tenants = [tenant_with(**spec), tenant_with("tenantb")]
    return plan(
        tenants[0],
        files,
        documents,
        places=Places(tenants),
        owners=owners,
        usage=Usage.of(documents),
        rules=RULES,
        detached={file.document_id: file for file in detached},
    )
