"""Monitor of Qdrant's version, with the gateway's tokens."""

import ssl
from functools import partial

from pydantic import SecretStr
from tenancy.qdrant_server import QdrantMonitor, QdrantServer

from .access import authorize_check

__all__ = ["create_monitor"]


def create_monitor(url: str, api_key: SecretStr, *, verify: ssl.SSLContext | bool) -> QdrantMonitor:
    """Return a monitor of Qdrant that only reads; the arguments are those of ``Vectors``."""
    return QdrantMonitor(QdrantServer(url, partial(authorize_check, api_key), verify=verify).find_obstacle)
