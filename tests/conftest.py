"""Fixtures that every test may use. They only wire: what they stand for is in tests/support."""

from collections.abc import Iterator

import pytest
from tenantry_local.platform import Platform

from tests.support.platform import running_platform


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The real backends: API server, Keycloak, S3 and IAM, Postgres, Redis, and the two stand-ins."""
    with running_platform() as running:
        yield running
