"""Fixtures that every test may use. They only wire: what they stand for is in tests/support."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tenantry_local.platform import Platform

from tests.support.logs import configure_plain_logs
from tests.support.platform import add_open_webui, running_platform, running_whole_platform

# How long one example takes says more of the machine than of the code.
settings.register_profile("tenantry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tenantry")
configure_plain_logs()


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The real backends: API server, Keycloak, S3 and IAM, Postgres, Redis, and the two stand-ins."""
    with running_platform() as running:
        yield running


@pytest.fixture(scope="session")
def with_open_webui(platform: Platform) -> Platform:
    """The backends and the real Open WebUI, as it is deployed, with our functions in it."""
    return add_open_webui(platform)


@pytest.fixture(scope="session")
def whole_platform() -> Iterator[Platform]:
    """Everything, our own services, n8n and Open WebUI among it: programs that work for each other."""
    with running_whole_platform() as running:
        yield running
