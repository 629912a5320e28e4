"""The programs of the platform, one module each, in the order in which a reader meets them."""

from ..context import Context
from ..part import Part
from .aws import Aws
from .bedrock import Bedrock
from .keycloak import Keycloak
from .kubernetes import ApiServer, ControllerManager, Etcd, given
from .postgres import Postgres
from .qdrant import Qdrant
from .redis import Redis
from .services import Gateway, Operator

__all__ = ["BACKENDS", "SERVICES", "make_parts"]

BACKENDS: tuple[type[Part], ...] = (
    Etcd, ApiServer, ControllerManager, Postgres, Redis, Keycloak, Aws, Bedrock, Qdrant,
)  # fmt: skip
"""What our own services stand on."""

SERVICES: tuple[type[Part], ...] = (Operator, Gateway)
"""Our own services."""


def make_parts(context: Context) -> list[Part]:
    """Return every part of a platform; a cluster that is given has its own etcd and controllers."""
    elsewhere = (Etcd, ControllerManager) if given() else ()
    return [kind(context) for kind in (*BACKENDS, *SERVICES) if kind not in elsewhere]
