"""Fixtures of the tests of the Tenant resource: the real API server, and Tenants in it."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client
from tenantry_local.platform import Platform

from tests.support.backends.api_server import Tenants, open_admin_client


@pytest.fixture(scope="session")
def api(platform: Platform) -> Iterator[client.ApiClient]:
    """Client of the API server, with an administrator's rights."""
    with open_admin_client(platform) as opened:
        yield opened


@pytest.fixture(scope="session")
def tenants(api: client.ApiClient) -> Tenants:
    """Client of the Tenants in the API server."""
    return Tenants(api)


@pytest.fixture
def store_tenant(tenants: Tenants) -> Iterator[Callable[..., str]]:
    """Function that stores a Tenant under a new name until the end of the test, and returns the name."""
    names = []

    def store(spec: dict[str, Any] | None = None, **metadata: Any) -> str:
        name = f"crd-{uuid.uuid4().hex[:12]}"
        tenants.create(tenants.make_manifest(name, spec, **metadata))
        names.append(name)
        return name

    yield store
    for name in names:
        if not tenants.is_being_deleted(name):
            tenants.patch(name, {"metadata": {"annotations": None}})
            tenants.delete(name)
