"""Connection to the Kubernetes API, and classification of its errors."""

import os

import aiohttp
from kubernetes.aio import client, config

from .remote import FailureClass

__all__ = ["classify", "connect"]


async def connect() -> client.ApiClient:
    """Return a client configured from ``KUBECONFIG`` if it is set, else from the pod's service account.

    The caller closes it.

    Raises
    ------
    kubernetes.aio.config.ConfigException
        Neither exists.
    """
    configuration = client.Configuration()
    if file := os.environ.get("KUBECONFIG"):
        # Passed explicitly: by default the client uses the variable's value at import time.
        await config.load_kube_config(config_file=file, client_configuration=configuration)
    else:
        config.load_incluster_config(client_configuration=configuration)
    return client.ApiClient(configuration)


def classify(exc: Exception) -> FailureClass | None:
    """Return the failure class of an error of the Kubernetes client.

    409 is retried: another writer came first, and the next attempt reads its result.
    """
    match exc:
        case client.exceptions.ApiException(status=status):
            code = int(status or 0)
            if code in {408, 409, 429}:
                return FailureClass.BUSY
            return FailureClass.TRANSIENT if code == 0 or code >= 500 else FailureClass.PERMANENT
        case aiohttp.ClientError() | OSError():
            return FailureClass.TRANSIENT
        case _:
            return None
