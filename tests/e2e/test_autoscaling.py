"""Tests of autoscaling: gateways are added under load, and n8n begins with its initial workers."""

import pytest

from tests.support.backends.cluster import Failed, wait_until_true

from .installation import Installation
from .load import generate_load


def test_gateways_are_added_under_load(demo_installation: Installation) -> None:
    _require_metrics(demo_installation)
    name = demo_installation.get_workload_name("gateway")
    spec = demo_installation.cluster.get("hpa", name)["spec"]
    minimum = spec["minReplicas"]
    if spec["maxReplicas"] == minimum:
        pytest.skip("the values leave no room for more gateways")

    def has_more_ready() -> bool:
        return int(demo_installation.cluster.get("deployment", name)["status"].get("readyReplicas", 0)) > int(
            minimum
        )

    if has_more_ready():
        pytest.skip("an earlier load has added gateways already")
    with generate_load(demo_installation, users=8, pause=0):
        wait_until_true(has_more_ready, f"more than {minimum} gateways are ready", seconds=180)


def test_without_the_queue_metric_n8n_has_its_initial_workers(installation: Installation) -> None:
    name = installation.get_workload_name("n8n-worker")
    autoscaler = installation.cluster.get("hpa", name)
    active = {each["type"]: each for each in autoscaler["status"]["conditions"]}["ScalingActive"]
    if active["status"] == "True":
        pytest.skip("the cluster serves the metric")
    assert active["reason"] == "FailedGetExternalMetric"
    # The job that sets the initial number reaches the API server through its Service.
    workers = installation.cluster.get("deployment", name)
    counts = autoscaler["spec"]["minReplicas"], workers["spec"]["replicas"]
    assert counts == installation.worker_counts


def _require_metrics(installation: Installation) -> None:
    try:
        installation.cluster.run_kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
    except Failed:
        pytest.skip("the cluster has no metrics-server")
