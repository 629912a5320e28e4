"""Tests that the autoscaler adds gateways under load."""

import pytest

from tests.support.backends.cluster import Failed, until_it_holds

from .installation import Installation
from .load import generate_load


def test_gateways_are_added_under_load(demo_installation: Installation) -> None:
    _require_metrics(demo_installation)
    name = demo_installation.name("gateway")
    minimum = demo_installation.cluster.get("hpa", name)["spec"]["minReplicas"]

    def more_are_ready() -> bool:
        return int(demo_installation.cluster.get("deployment", name)["status"].get("readyReplicas", 0)) > int(
            minimum
        )

    if more_are_ready():
        pytest.skip("an earlier load has added gateways already")
    with generate_load(demo_installation, users=8, pause=0):
        until_it_holds(more_are_ready, f"more than {minimum} gateways are ready", seconds=180)


def _require_metrics(installation: Installation) -> None:
    try:
        installation.cluster.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
    except Failed:
        pytest.skip("the cluster has no metrics-server")
