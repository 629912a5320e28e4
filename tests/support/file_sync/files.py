"""Factories of files of Open WebUI, of their documents, and of Tenants with a workspace."""

from typing import Any

from file_sync.models import File, Link, LinkKind, ListedDocument
from tenancy.model import Tenant

from tests.support.tenants.manifests import make_tenant_manifest

__all__ = [
    "BUCKET",
    "make_chat_link",
    "make_document",
    "make_file",
    "make_knowledge_link",
    "make_tenant_with_workspace",
]

BUCKET = "open-webui-files-dev"


def make_tenant_with_workspace(
    tenant_id: str = "tenanta", *, personas: tuple[str, ...] = ("finance", "hr"), **spec: Any
) -> Tenant:
    """Return a Tenant whose personas have the knowledge bases ``kb-TENANT-PERSONA``."""
    manifest = make_tenant_manifest(
        tenant_id, **{"personas": [{"id": persona} for persona in personas], **spec}
    )
    knowledge = [{"persona": persona, "id": f"kb-{tenant_id}-{persona}"} for persona in personas]
    manifest["status"] = {"workspace": {"groupId": f"group-{tenant_id}", "knowledge": knowledge}}
    return Tenant.from_object(manifest)


def make_knowledge_link(
    persona_id: str = "finance", *, tenant_id: str = "tenanta", since: int = 1, folder: str = ""
) -> Link:
    """Return a link to a persona's knowledge base."""
    return Link(since, LinkKind.KNOWLEDGE, f"kb-{tenant_id}-{persona_id}", folder)


def make_chat_link(persona_id: str = "finance", *, tenant_id: str = "tenanta", since: int = 1) -> Link:
    """Return a link to a persona's model."""
    return Link(since, LinkKind.MODEL, f"tenant-{tenant_id}.{persona_id}")


def make_file(file_id: str = "f1", *links: Link, **values: Any) -> File:
    """Return a file of Anna in ``tenanta``, by default in the knowledge base of Finance."""
    settings = {
        "owner": "owui-anna",
        "subject": "anna",
        "filename": "plan.pdf",
        "path": f"s3://{BUCKET}/{file_id}_plan.pdf",
        "size": 10,
        "digest": "a" * 64,
        "created_at": 1,
        "updated_at": 1,
        **values,
    }
    return File(id=file_id, links=links or (make_knowledge_link(),), **settings)


def make_document(file_id: str = "f1", **values: Any) -> ListedDocument:
    """Return the document of the file of :func:`make_file`, by default with the state ready."""
    settings = {
        "persona_id": "finance",
        "filename": "plan.pdf",
        "size": 10,
        "state": "ready",
        "sha256": "a" * 64,
        **values,
    }
    return ListedDocument(id=f"owui-{file_id}", **settings)
