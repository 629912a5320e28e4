"""Fixtures for all tests, and the order of test files. The code behind them is in tests/support."""

from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from tenantry_local.platform import Platform

from tests.support.programs.platform import add_open_webui, run_all_parts, run_platform
from tests.support.pytest_setup.aws_models import cache_aws_models
from tests.support.pytest_setup.collection import suspend_garbage_collection
from tests.support.pytest_setup.logs import configure_plain_logs
from tests.support.pytest_setup.order import sort_longest_first

# The duration of one example depends on the machine more than on the code.
settings.register_profile("tenantry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tenantry")
configure_plain_logs()
cache_aws_models()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, so that all test processes end at about the same time."""
    sort_longest_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the test modules without garbage collection, which takes a third of the time otherwise."""
    with suspend_garbage_collection():
        return (yield)


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Return the running backends: API server, Keycloak, S3 and IAM, Postgres, Redis, and two stand-ins."""
    with run_platform() as running:
        yield running


@pytest.fixture(scope="session")
def with_open_webui(platform: Platform) -> Platform:
    """Return the running backends and the real Open WebUI with our functions."""
    return add_open_webui(platform)


@pytest.fixture(scope="session")
def platform_with_all_parts() -> Iterator[Platform]:
    """Return a platform that runs all programs: the backends, our services, n8n and Open WebUI."""
    with run_all_parts() as running:
        yield running
