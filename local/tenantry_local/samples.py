"""The demo Tenants and their sample documents, created through kubectl and the gateway.

Documents are uploaded if the index lacks them. A list of earlier uploads would be wrong after a Tenant was
deleted, or when another Qdrant is used.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from tenancy.model import Tenant
from tenancy.names import derive_document_id

from .context import Context
from .demo_users import get_access_token
from .parts.kubernetes import run_kubectl
from .parts.qdrant import Qdrant
from .processes import LocalError

__all__ = ["apply"]

DEMO = Path(__file__).parent / "demo"
TENANTS = DEMO / "tenants"
DOCUMENTS = DEMO / "documents"

READY_TIMEOUT_SECONDS = 60
"""Time until a Tenant must be Ready; it takes less than a second unless the machine is busy."""

INGEST_TIMEOUT_SECONDS = 120.0
INDEX_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Sample:
    """A sample document; its folders name the tenant and the persona."""

    tenant: Tenant
    persona_id: str
    path: Path


def apply(context: Context) -> None:
    """Apply the demo Tenants, wait until they are Ready, and ingest the documents that are missing.

    Raises
    ------
    LocalError
        A Tenant did not become Ready, or a document was refused; the message gives the reason.
    """
    context.report("samples", "applying the demo Tenants")
    run_kubectl(context, "apply", "--server-side", "--force-conflicts", "-f", str(TENANTS))
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
    """Return the sample documents of a demo tenant."""
    paths = sorted(path for path in (DOCUMENTS / tenant.id).glob("*/*") if path.is_file())
    return [Sample(tenant, path.parent.name, path) for path in paths]


def _wait_ready(context: Context, tenant: Tenant) -> None:
    try:
        run_kubectl(
            context,
            "wait",
            "--for=condition=Ready",
            f"--timeout={READY_TIMEOUT_SECONDS}s",
            f"tenant/{tenant.id}",
        )
    except LocalError as exc:
        current = Tenant.from_object(
            yaml.safe_load(run_kubectl(context, "get", "tenant", tenant.id, "-o", "yaml"))
        )
        conditions = [f"  {c.type}={c.status} {c.reason}: {c.message}" for c in current.status.conditions]
        reasons = "\n".join(conditions) or "  It has no conditions yet (tenantry logs operator)."
        raise LocalError(
            f"The Tenant {tenant.id} is not Ready after {READY_TIMEOUT_SECONDS} s:\n{reasons}"
        ) from exc


def _is_indexed(context: Context, sample: Sample) -> bool:
    """Return True if the index has the sample's content. Indexing is the last step of an upload."""
    tenant, qdrant = sample.tenant, Qdrant(context)
    payload = {
        "tenantId": tenant.key,
        "documentId": derive_document_id(tenant.id, sample.persona_id, sample.path.name),
        "sha256": hashlib.sha256(sample.path.read_bytes()).hexdigest(),
    }
    response = _post(
        "Qdrant",
        f"{qdrant.url}/collections/{tenant.collection}/points/count",
        json={
            "filter": {"must": [{"key": key, "match": {"value": value}} for key, value in payload.items()]}
        },
        headers={"api-key": qdrant.api_key},
        timeout=INDEX_TIMEOUT_SECONDS,
    )
    if response.is_error:
        raise LocalError(f"Qdrant refused to count points: {response.text}")
    return bool(response.json()["result"]["count"])


def _ingest(context: Context, sample: Sample) -> None:
    token = get_access_token(context, sample.tenant.spec.identity.admins[0])
    response = _post(
        "The gateway",
        f"{context.build_url('gateway')}/v1/documents",
        files={"file": (sample.path.name, sample.path.read_bytes())},
        data={"personaId": sample.persona_id},
        headers={"Authorization": f"Bearer {token}"},
        timeout=INGEST_TIMEOUT_SECONDS,
    )
    if response.is_error:
        raise LocalError(
            f"The gateway refused {sample.path.name} of {sample.tenant.id}: {_parse_problem(response)}"
        )


def _post(server: str, url: str, *, timeout: float, **arguments: Any) -> httpx.Response:
    try:
        return httpx.post(url, timeout=timeout, **arguments)
    except httpx.TransportError as exc:
        raise LocalError(f"{server} does not answer: {type(exc).__name__} {exc}".rstrip()) from exc


def _parse_problem(response: httpx.Response) -> str:
    try:
        problem: dict[str, Any] = response.json()
    except ValueError:
        return response.text[:200]
    return f"{problem.get('title')}: {problem.get('detail')}"
