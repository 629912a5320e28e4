"""The connection to the Kubernetes API: where it is, and what its errors mean."""

import os

import aiohttp
from kubernetes.aio import client, config

from .remote import Fault

__all__ = ["classify", "connect"]


async def connect() -> client.ApiClient:
    """Open a client from ``KUBECONFIG`` when it is set, else from the pod's service account.

    The caller closes it.

    Raises
    ------
    kubernetes.aio.config.ConfigException
        Neither is there.
    """
    configuration = client.Configuration()
    if file := os.environ.get("KUBECONFIG"):
        # Said outright: left alone, the client uses what the variable was when it was imported.
        await config.load_kube_config(config_file=file, client_configuration=configuration)
    else:
        config.load_incluster_config(client_configuration=configuration)
    return client.ApiClient(configuration)


def classify(exc: Exception) -> Fault | None:
    """Say what an error of the Kubernetes client means for the next attempt.

    409 is tried again: another writer came first, and the next attempt reads what it wrote.
    """
    match exc:
        case client.exceptions.ApiException(status=status):
            code = int(status or 0)
            if code in {408, 409, 429}:
                return Fault.BUSY
            return Fault.TRANSIENT if code == 0 or code >= 500 else Fault.PERMANENT
        case aiohttp.ClientError() | OSError():
            return Fault.TRANSIENT
        case _:
            return None
