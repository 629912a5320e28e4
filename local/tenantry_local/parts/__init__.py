"""Parts of the platform, one module per program."""

from ..context import Context
from ..part import PlatformPart
from .aws import Aws
from .bedrock import Bedrock
from .keycloak import Keycloak
from .kubernetes import ApiServer, ControllerManager, Etcd, get_external_kubeconfig
from .n8n import N8n, N8nWebhook, N8nWorker
from .open_webui import OpenWebUI
from .postgres import Postgres
from .qdrant import Qdrant
from .redis import Redis
from .services import FileSync, Gateway, Operator

__all__ = ["BACKENDS", "OPTIONAL_PARTS", "SERVICES", "make_parts"]

BACKENDS: tuple[type[PlatformPart], ...] = (
    Etcd, ApiServer, ControllerManager, Postgres, Redis, Keycloak, Aws, Bedrock, Qdrant,
)  # fmt: skip
"""Programs that Tenantry's services depend on."""

SERVICES: tuple[type[PlatformPart], ...] = (Operator, Gateway)
"""Tenantry's services that `make up` starts."""

OPTIONAL_PARTS: tuple[type[PlatformPart], ...] = (OpenWebUI, N8n, N8nWorker, N8nWebhook, FileSync)
"""Parts that `make up-all` adds: Open WebUI, n8n and file-sync."""


def make_parts(context: Context) -> list[PlatformPart]:
    """Return all parts of a platform, without etcd and controllers if the cluster is external."""
    external: set[type[PlatformPart]] = {Etcd, ControllerManager} if get_external_kubeconfig() else set()
    kinds = (*BACKENDS, *SERVICES, *(OPTIONAL_PARTS if context.all_parts else ()))
    return [kind(context) for kind in kinds if kind not in external]
