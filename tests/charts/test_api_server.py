"""The real API server takes every object, and has nothing to warn of."""

import json
from collections.abc import Iterator

import pytest
from tenantry_local.parts.kubernetes import kubectl
from tenantry_local.platform import Platform

from tests.support.charts import PROFILES, render

NAMESPACE = "chart-test"


@pytest.fixture(scope="module")
def namespace(platform: Platform) -> Iterator[str]:
    """A namespace in which a pod that is not confined is warned of."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/warn": "restricted"}},
    }
    kubectl(platform.context, "apply", "-f", "-", stdin=json.dumps(manifest))
    yield NAMESPACE
    kubectl(platform.context, "delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_api_server_takes_all_of_a_profile_without_a_warning(
    platform: Platform, namespace: str, profile: str
) -> None:
    release = render(profile, namespace=namespace)
    applied = kubectl(
        platform.context, "apply", "--server-side", "--force-conflicts", "--dry-run=server",
        "--validate=strict", "--warnings-as-errors", "-f", "-", stdin=release.text,
    )  # fmt: skip
    assert applied.count("serverside-applied") == len(release.objects)
