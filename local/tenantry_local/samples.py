"""The demo Tenants and their documents, put in through the same doors as anybody's: kubectl and gateway.

Only what the index lacks is sent. The index is asked, and no list is kept of what was once sent: such a
list would be wrong as soon as a Tenant was deleted, or another Qdrant used.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from tenancy.model import Tenant
from tenancy.names import document_id_for

from .context import Context
from .demo_users import access_token
from .parts.kubernetes import kubectl
from .parts.qdrant import Qdrant
from .processes import LocalError

__all__ = ["apply"]

DEMO = Path(__file__).parent / "demo"
TENANTS = DEMO / "tenants"
DOCUMENTS = DEMO / "documents"

READY_SECONDS = 60
"""A Tenant is Ready in less than one; this is for a machine that has just started everything."""

INGEST_SECONDS = 120.0
INDEX_SECONDS = 20.0


@dataclass(frozen=True)
class Sample:
    """A document of the demo; its folder names the tenant and the persona."""

    tenant: Tenant
    persona_id: str
    path: Path


def apply(context: Context) -> None:
    """Apply the demo Tenants, wait until they are Ready, and ingest those documents that are not there.

    Raises
    ------
    LocalError
        A Tenant did not become Ready, or the gateway refused a document; the message says why.
    """
    context.report("samples", "applying the demo Tenants")
    kubectl(context, "apply", "--server-side", "--force-conflicts", "-f", str(TENANTS))
    tenants = [Tenant.from_object(yaml.safe_load(file.read_text())) for file in sorted(TENANTS.iterdir())]
    for tenant in tenants:
        context.report("samples", f"waiting until {tenant.id} is Ready")
        _wait_ready(context, tenant)
    missing = [
        sample for tenant in tenants for sample in list_samples(tenant) if not _is_indexed(context, sample)
    ]
    for count, sample in enumerate(missing, start=1):
        context.report("samples", f"ingesting {sample.path.name} ({count} of {len(missing)})")
        _ingest(context, sample)
    context.report("samples", "ready")


def list_samples(tenant: Tenant) -> list[Sample]:
    """Return a demo tenant's documents."""
    paths = sorted(path for path in (DOCUMENTS / tenant.id).glob("*/*") if path.is_file())
    return [Sample(tenant, path.parent.name, path) for path in paths]


def _wait_ready(context: Context, tenant: Tenant) -> None:
    try:
        kubectl(
            context, "wait", "--for=condition=Ready", f"--timeout={READY_SECONDS}s", f"tenant/{tenant.id}"
        )
    except LocalError as exc:
        seen = Tenant.from_object(yaml.safe_load(kubectl(context, "get", "tenant", tenant.id, "-o", "yaml")))
        told = [f"  {c.type}={c.status} {c.reason}: {c.message}" for c in seen.status.conditions]
        reasons = "\n".join(told) or "  The operator has said nothing about it (tenantry logs operator)."
        raise LocalError(f"The Tenant {tenant.id} is not Ready after {READY_SECONDS} s:\n{reasons}") from exc


def _is_indexed(context: Context, sample: Sample) -> bool:
    """Tell whether the index holds this very content. Indexing is the last step, so the rest is done, too."""
    tenant, qdrant = sample.tenant, Qdrant(context)
    payload = {
        "tenantId": tenant.key,
        "documentId": document_id_for(tenant.id, sample.persona_id, sample.path.name),
        "sha256": hashlib.sha256(sample.path.read_bytes()).hexdigest(),
    }
    answer = httpx.post(
        f"{qdrant.url}/collections/{tenant.collection}/points/count",
        json={
            "filter": {"must": [{"key": key, "match": {"value": value}} for key, value in payload.items()]}
        },
        headers={"api-key": qdrant.api_key},
        timeout=INDEX_SECONDS,
    )
    if answer.is_error:
        raise LocalError(f"Qdrant does not say what it holds: {answer.text}")
    return bool(answer.json()["result"]["count"])


def _ingest(context: Context, sample: Sample) -> None:
    token = access_token(context, sample.tenant.spec.identity.admins[0])
    answer = httpx.post(
        f"{context.url('gateway')}/v1/documents",
        files={"file": (sample.path.name, sample.path.read_bytes())},
        data={"personaId": sample.persona_id},
        headers={"Authorization": f"Bearer {token}"},
        timeout=INGEST_SECONDS,
    )
    if answer.is_error:
        raise LocalError(
            f"The gateway did not take {sample.path.name} of {sample.tenant.id}: {_problem(answer)}"
        )


def _problem(answer: httpx.Response) -> str:
    try:
        problem: dict[str, Any] = answer.json()
    except ValueError:
        return answer.text[:200]
    return f"{problem.get('title')}: {problem.get('detail')}"
