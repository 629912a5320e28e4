"""List of all Tenants, from the Kubernetes API."""

import asyncio
from typing import Any

from kubernetes.aio import client
from pydantic import ValidationError
from servicekit import kube
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.names import GROUP, PLURAL, VERSION

from .errors import SnapshotsFailed

__all__ = ["list_tenants"]

TIMEOUT_SECONDS = 30.0


def list_tenants() -> list[Tenant]:
    """Return all Tenants.

    Raises
    ------
    SnapshotsFailed
        This version cannot read a Tenant.
    BackendError
        The API server is unavailable, or refused the call.
    """
    return asyncio.run(_list_tenants())


async def _list_tenants() -> list[Tenant]:
    remote = Remote("kubernetes", kube.classify, timeout=TIMEOUT_SECONDS, attempts=5)
    async with await kube.connect() as api:
        custom = client.CustomObjectsApi(api)
        listed: Any = await remote.call(
            "list-tenants", lambda: custom.list_cluster_custom_object(GROUP, VERSION, PLURAL)
        )
    return [_parse(body) for body in listed["items"]]


def _parse(body: Any) -> Tenant:
    try:
        return Tenant.from_object(body)
    except ValidationError as exc:
        raise SnapshotsFailed(
            f"This version cannot read a Tenant, so its points would be lost: {exc}. Restore with the "
            f"operator's version."
        ) from exc
