"""The programs of the platform, one module each, in the order in which a reader meets them."""

from ..context import Context
from ..part import Part
from .aws import Aws
from .bedrock import Bedrock
from .keycloak import Keycloak
from .kubernetes import ApiServer, ControllerManager, Etcd, external_kubeconfig
from .n8n import N8n, N8nWebhook, N8nWorker
from .open_webui import OpenWebUI
from .postgres import Postgres
from .qdrant import Qdrant
from .redis import Redis
from .services import FileSync, Gateway, Operator

__all__ = ["BACKENDS", "SERVICES", "WORKSPACE", "make_parts"]

BACKENDS: tuple[type[Part], ...] = (
    Etcd, ApiServer, ControllerManager, Postgres, Redis, Keycloak, Aws, Bedrock, Qdrant,
)  # fmt: skip
"""What our own services stand on."""

SERVICES: tuple[type[Part], ...] = (Operator, Gateway)
"""Our own services, those of `make up`."""

WORKSPACE: tuple[type[Part], ...] = (OpenWebUI, N8n, N8nWorker, N8nWebhook, FileSync)
"""What `make up-all` adds: where people work, and what brings their files and questions to the gateway."""


def make_parts(context: Context) -> list[Part]:
    """Return every part of a platform; a cluster that is given has its own etcd and controllers."""
    elsewhere: set[type[Part]] = {Etcd, ControllerManager} if external_kubeconfig() else set()
    kinds = (*BACKENDS, *SERVICES, *(WORKSPACE if context.whole else ()))
    return [kind(context) for kind in kinds if kind not in elsewhere]
