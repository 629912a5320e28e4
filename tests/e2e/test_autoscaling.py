"""Tests that the autoscaler adds gateways under load."""

import pytest

from tests.support.backends.cluster import Failed, wait_until_true

from .installation import Installation
from .load import generate_load


def test_gateways_are_added_under_load(demo_installation: Installation) -> None:
    _require_metrics(demo_installation)
    name = demo_installation.get_workload_name("gateway")
    minimum = demo_installation.cluster.get("hpa", name)["spec"]["minReplicas"]

    def has_more_ready() -> bool:
        return int(demo_installation.cluster.get("deployment", name)["status"].get("readyReplicas", 0)) > int(
            minimum
        )

    if has_more_ready():
        pytest.skip("an earlier load has added gateways already")
    with generate_load(demo_installation, users=8, pause=0):
        wait_until_true(has_more_ready, f"more than {minimum} gateways are ready", seconds=180)


def _require_metrics(installation: Installation) -> None:
    try:
        installation.cluster.run_kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
    except Failed:
        pytest.skip("the cluster has no metrics-server")
