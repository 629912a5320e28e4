"""The autoscaler adds gateways when they have much to do."""

import pytest

from tests.support.cluster import Failed, until_it_holds

from .installation import Installation
from .load import asking


def test_gateways_are_added_under_load(filled: Installation) -> None:
    _needs_metrics(filled)
    name = filled.name("gateway")
    fewest = filled.cluster.get("hpa", name)["spec"]["minReplicas"]

    def more_are_ready() -> bool:
        return int(filled.cluster.get("deployment", name)["status"].get("readyReplicas", 0)) > int(fewest)

    if more_are_ready():
        pytest.skip("there are more gateways already, of a load before: it would prove nothing")
    with asking(filled, people=8, pause=0):
        until_it_holds(more_are_ready, f"more than {fewest} gateways are ready", seconds=180)


def _needs_metrics(installation: Installation) -> None:
    try:
        installation.cluster.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
    except Failed:
        pytest.skip("the cluster has no metrics-server")
