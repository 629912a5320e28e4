"""Tests of autoscaling on real controllers with simulated load.

The autoscalers have the chart's numbers, but seconds instead of minutes. Scaling down takes 13 seconds, so
tests with few pods come first, then tests of the peak. Each test creates the load that it needs.
"""

import asyncio
from copy import deepcopy

import pytest
from tenantry_local.parts.kubernetes import run_kubectl
from tenantry_local.platform import Platform
from tenantry_local.processes import LocalError

from tests.support.charts.metrics_api import CpuLoad
from tests.support.charts.rendering import RELEASE
from tests.support.timing.waiting import wait_until

from .conftest import ScalingCluster, create_cluster, speed_up

TIMEOUT_SECONDS = 120.0
"""Timeout of a scaling step on a busy machine."""

STABILIZATION_SECONDS = 5
"""Window of the accelerated autoscalers before they remove a pod."""

QUEUE = "n8n_scaling_mode_queue_jobs_waiting"

BOUNDS = {
    "open-webui": (2, 10),
    "gateway": (2, 10),
    "n8n-webhook": (2, 10),
    "n8n-worker": (2, 20),
    "qdrant": (2, 5),
}

BY_CPU = ("open-webui", "gateway", "n8n-webhook")
SCALED_DOWN = (*BY_CPU, "n8n-worker")
MINIMUM = {name: BOUNDS[name][0] for name in SCALED_DOWN}
MAXIMUM = {name: BOUNDS[name][1] for name in SCALED_DOWN}


def set_idle(load: CpuLoad) -> None:
    load.cpu = dict.fromkeys(BY_CPU, 0.1)
    load.memory = {}
    load.resident_memory = {}
    load.external = {QUEUE: 0}


async def wait_for_minimum(cluster: ScalingCluster, load: CpuLoad) -> None:
    set_idle(load)
    await wait_until(lambda: get_replicas(cluster) == MINIMUM, seconds=TIMEOUT_SECONDS)


async def wait_for_peak(cluster: ScalingCluster, load: CpuLoad) -> None:
    load.cpu = dict.fromkeys(BY_CPU, 0.9)
    load.external = {QUEUE: 200}
    await wait_until(lambda: get_replicas(cluster) == MAXIMUM, seconds=TIMEOUT_SECONDS)


def get_replicas(cluster: ScalingCluster) -> dict[str, int]:
    """Return the desired number of pods of each workload that is scaled up and down."""
    replicas = cluster.get_replicas()
    return {name: replicas[name] for name in SCALED_DOWN}


def test_the_bounds_are_those_of_ecs(cluster: ScalingCluster) -> None:
    found = {name: each.autoscaler["spec"] for name, each in cluster.get_state().items()}
    assert {name: (spec["minReplicas"], spec["maxReplicas"]) for name, spec in found.items()} == BOUNDS


async def test_a_worker_is_added_per_ten_waiting_jobs(cluster: ScalingCluster, load: CpuLoad) -> None:
    await wait_for_minimum(cluster, load)
    load.external[QUEUE] = 50
    await wait_until(lambda: cluster.get_replicas()["n8n-worker"] == 5, seconds=TIMEOUT_SECONDS)


async def test_without_the_queue_metric_the_number_of_workers_stays(
    cluster: ScalingCluster, load: CpuLoad
) -> None:
    set_idle(load)
    load.external[QUEUE] = 50
    await wait_until(lambda: cluster.get_replicas()["n8n-worker"] == 5, seconds=TIMEOUT_SECONDS)
    del load.external[QUEUE]
    worker = "n8n-worker"
    await wait_until(
        lambda: cluster.get_state()[worker].get_reason("ScalingActive") == "FailedGetExternalMetric",
        seconds=TIMEOUT_SECONDS,
    )
    assert cluster.get_replicas()[worker] == 5


async def test_cpu_at_ninety_percent_scales_to_the_maximum(cluster: ScalingCluster, load: CpuLoad) -> None:
    await wait_for_minimum(cluster, load)
    await wait_for_peak(cluster, load)
    # The metric demands more pods than the maximum.
    await wait_until(
        lambda: (
            {cluster.get_state()[name].get_reason("ScalingLimited") for name in BY_CPU} == {"TooManyReplicas"}
        ),
        seconds=TIMEOUT_SECONDS,
    )
    assert get_replicas(cluster) == MAXIMUM


async def test_two_hundred_waiting_jobs_scale_to_twenty_workers_at_most(
    cluster: ScalingCluster, load: CpuLoad
) -> None:
    await wait_for_peak(cluster, load)
    load.external[QUEUE] = 1000
    await wait_until(
        lambda: cluster.get_state()["n8n-worker"].get_reason("ScalingLimited") == "TooManyReplicas",
        seconds=TIMEOUT_SECONDS,
    )
    assert cluster.get_replicas()["n8n-worker"] == 20


async def test_an_upgrade_during_a_peak_removes_no_pod(cluster: ScalingCluster, load: CpuLoad) -> None:
    await wait_for_peak(cluster, load)
    before = get_last_scale_times(cluster)
    changed = deepcopy(cluster.list_workloads())
    for item in changed:
        if item["kind"] in ("Deployment", "StatefulSet"):
            item["spec"]["template"]["metadata"]["labels"]["changed"] = "by-an-upgrade"
    cluster.apply(changed)
    assert get_replicas(cluster) == MAXIMUM
    rolled = [f"deployment/{item['metadata']['name']}" for item in changed if item["kind"] == "Deployment"]
    run_kubectl(
        cluster.platform.context, "rollout", "status", "--timeout=60s", "-n", cluster.namespace, *rolled
    )
    assert get_replicas(cluster) == MAXIMUM
    assert get_last_scale_times(cluster) == before


async def test_after_a_peak_pods_are_kept_for_the_window_and_then_reduced_to_the_minimum(
    cluster: ScalingCluster, load: CpuLoad
) -> None:
    await wait_for_peak(cluster, load)
    set_idle(load)
    await wait_until(
        lambda: all(
            (each.get_reason("AbleToScale"), each.replicas) == ("ScaleDownStabilized", MAXIMUM[name])
            for name, each in cluster.get_state().items()
            if name in MAXIMUM
        ),
        seconds=TIMEOUT_SECONDS,
    )
    await wait_until(lambda: get_replicas(cluster) == MINIMUM, seconds=TIMEOUT_SECONDS)


async def test_the_three_initial_workers_stay_for_the_stabilization_window(
    platform: Platform, load: CpuLoad
) -> None:
    set_idle(load)
    with create_cluster(platform) as cluster:
        cluster.apply([*cluster.list_workloads(), *list_initial_scale_objects(cluster)])
        job = cluster.release.get("Job", "n8n-initial-scale")["metadata"]["name"]
        complete = ("wait", "--for=condition=Complete", "--timeout=30s", f"job/{job}")
        run_kubectl(platform.context, *complete, "-n", cluster.namespace)
        # The job's account has no other rights.
        delete = ("delete", "deployment", f"{RELEASE}-n8n-worker", "-n", cluster.namespace)
        account = f"system:serviceaccount:{cluster.namespace}:{job}"
        with pytest.raises(LocalError, match="forbidden"):
            run_kubectl(platform.context, f"--as={account}", *delete)
        # An autoscaler first acts 15 seconds after its creation, so the short job comes first.
        cluster.apply(cluster.list_autoscalers())
        await wait_until(
            lambda: cluster.get_state()["n8n-worker"].get_reason("AbleToScale") == "ScaleDownStabilized",
            seconds=TIMEOUT_SECONDS,
        )
        assert cluster.get_replicas()["n8n-worker"] == 3


async def test_without_the_queue_metric_the_three_initial_workers_stay_until_it_is_served(
    platform: Platform, load: CpuLoad
) -> None:
    set_idle(load)
    load.external = {}
    worker = "n8n-worker"
    with create_cluster(platform) as cluster:
        cluster.apply([*cluster.list_workloads(), *map(speed_up, cluster.list_autoscalers())])
        # The autoscaler enforces the minimum without a metric.
        await wait_until(lambda: cluster.get_replicas()[worker] == 2, seconds=TIMEOUT_SECONDS)
        cluster.apply(list_initial_scale_objects(cluster))
        await wait_until(lambda: cluster.get_replicas()[worker] == 3, seconds=TIMEOUT_SECONDS)
        await wait_until(
            lambda: cluster.get_state()[worker].get_reason("ScalingActive") == "FailedGetExternalMetric",
            seconds=TIMEOUT_SECONDS,
        )
        # Longer than the window in which the autoscaler would keep the number with a metric.
        await asyncio.sleep(STABILIZATION_SECONDS * 3)
        assert cluster.get_replicas()[worker] == 3
        load.external = {QUEUE: 0}
        await wait_until(lambda: cluster.get_replicas()[worker] == 2, seconds=TIMEOUT_SECONDS)


async def test_without_its_metric_qdrant_has_the_minimum_of_peers(platform: Platform, load: CpuLoad) -> None:
    set_idle(load)
    load.resident_memory = None
    with create_cluster(platform) as cluster:
        cluster.apply([*cluster.list_workloads(), *cluster.list_autoscalers()])
        await wait_until(
            lambda: cluster.get_state()["qdrant"].get_reason("ScalingActive") == "FailedGetPodsMetric",
            seconds=TIMEOUT_SECONDS,
        )
        assert cluster.get_replicas()["qdrant"] == 2


async def test_mapped_files_add_no_peer(cluster: ScalingCluster, load: CpuLoad) -> None:
    set_idle(load)
    load.memory = {"qdrant": 0.99}
    load.resident_memory = {"qdrant": 0.3}
    await wait_until(
        lambda: cluster.get_state()["qdrant"].get_reason("ScalingActive") == "ValidMetricFound",
        seconds=TIMEOUT_SECONDS,
    )
    assert cluster.get_replicas()["qdrant"] == 2


async def test_qdrant_scales_up_by_memory_and_never_down(cluster: ScalingCluster, load: CpuLoad) -> None:
    set_idle(load)
    load.resident_memory = {"qdrant": 0.9}
    await wait_until(
        lambda: cluster.get_state()["qdrant"].get_reason("ScalingLimited") == "TooManyReplicas",
        seconds=TIMEOUT_SECONDS,
    )
    assert cluster.get_replicas()["qdrant"] == 5
    load.resident_memory = {"qdrant": 0.1}
    # The metric demands fewer peers, but scaling down is disabled.
    await wait_until(
        lambda: cluster.get_state()["qdrant"].get_reason("ScalingLimited") == "ScaleDownLimit",
        seconds=TIMEOUT_SECONDS,
    )
    assert cluster.get_replicas()["qdrant"] == 5
    # A manually set number is kept.
    name = f"{RELEASE}-qdrant"
    run_kubectl(
        cluster.platform.context, "scale", "statefulset", name, "-n", cluster.namespace, "--replicas=3"
    )
    await wait_until(
        lambda: cluster.get_state()["qdrant"].autoscaler["status"]["currentReplicas"] == 3,
        seconds=TIMEOUT_SECONDS,
    )
    assert cluster.get_replicas()["qdrant"] == 3


def get_last_scale_times(cluster: ScalingCluster) -> dict[str, str]:
    return {name: cluster.get_state()[name].autoscaler["status"]["lastScaleTime"] for name in SCALED_DOWN}


def list_initial_scale_objects(cluster: ScalingCluster) -> list[dict[str, object]]:
    return [
        cluster.release.get(kind, "n8n-initial-scale")
        for kind in ("ServiceAccount", "Role", "RoleBinding", "Job")
    ]
