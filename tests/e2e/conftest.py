"""One installation for all tests, which may run in any order: whoever finds it gone has it installed."""

import json
import os
from pathlib import Path

import pytest

from tests.support.cluster import Cluster

from .demo import fill
from .installation import Installation

RELEASE = os.environ.get("TENANTRY_E2E_RELEASE", "tenantry")

MINUTES = 15
"""The first test waits until everything is installed."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(MINUTES * 60))
            if "TENANTRY_E2E_IMAGES" not in os.environ:
                item.add_marker(pytest.mark.skip(reason="needs a cluster: make e2e, or make kind"))


@pytest.fixture(scope="session")
def prepared() -> Installation:
    """What the chart needs is there."""
    images = json.loads(Path(os.environ["TENANTRY_E2E_IMAGES"]).read_text())
    installation = Installation(Cluster(RELEASE), RELEASE, images)
    installation.prepare()
    return installation


@pytest.fixture
def installation(prepared: Installation) -> Installation:
    """The chart is installed."""
    if not prepared.installed:
        prepared.upgrade()
    return prepared


@pytest.fixture(scope="session")
def once() -> set[str]:
    """What has been done already."""
    return set()


@pytest.fixture
def filled(installation: Installation, once: set[str]) -> Installation:
    """The demo's Tenants are there, with their documents. They outlive the release."""
    if "fill" not in once:
        fill(installation)
        once.add("fill")
    return installation
