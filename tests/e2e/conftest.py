"""Fixtures: one installation for all tests, which run in any order and reinstall an absent chart."""

import json
import os
from pathlib import Path

import pytest

from tests.support.backends.cluster import Cluster

from .demo import load_demo_data
from .eks.installation import EksInstallation
from .eks.servers import Servers
from .installation import Installation
from .profiles import KIND

RELEASE = os.environ.get("TENANTRY_E2E_RELEASE", "tenantry")

PROFILE = os.environ.get("TENANTRY_E2E_PROFILE", KIND)

MINUTES = 20
"""Timeout of a test; the first test waits for the installation."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(MINUTES * 60))
            if "TENANTRY_E2E_IMAGES" not in os.environ:
                item.add_marker(pytest.mark.skip(reason="needs a cluster: make e2e, or make kind"))
    # A test after the uninstall would install the chart again, which takes two minutes.
    items.sort(key=lambda item: item.path == Path(__file__).parent / "test_uninstall.py")


@pytest.fixture(scope="session")
def prepared_installation() -> Installation:
    """All prerequisites of the chart; the chart itself can be absent."""
    images = json.loads(Path(os.environ["TENANTRY_E2E_IMAGES"]).read_text())
    cluster = Cluster(RELEASE)
    if PROFILE == KIND:
        installation = Installation(cluster, RELEASE, images)
    else:
        servers = Servers.open(Path(os.environ["TENANTRY_E2E_SERVERS"]), PROFILE)
        installation = EksInstallation(cluster, RELEASE, images, servers)
    installation.prepare()
    return installation


@pytest.fixture
def installation(prepared_installation: Installation) -> Installation:
    """The installed chart."""
    if not prepared_installation.installed:
        prepared_installation.upgrade()
    return prepared_installation


@pytest.fixture(scope="session")
def completed_steps() -> set[str]:
    """Names of the steps that were done in this session."""
    return set()


@pytest.fixture
def demo_installation(installation: Installation, completed_steps: set[str]) -> Installation:
    """The installed chart, with the demo Tenants and their documents, which outlive the release."""
    if "load_demo_data" not in completed_steps:
        load_demo_data(installation)
        completed_steps.add("load_demo_data")
    return installation
