"""As many pods as on ECS: real controllers decide, and only the load is made up.

For the autoscalers of these tests a second is what a minute is elsewhere; their numbers are the chart's.
"""

from copy import deepcopy

import pytest
from tenantry_local.parts.kubernetes import kubectl
from tenantry_local.platform import Platform
from tenantry_local.processes import LocalError

from tests.support.charts import RELEASE
from tests.support.metrics_api import Load
from tests.support.waiting import until

from .conftest import Cluster, new_cluster

PATIENCE = 120.0
"""Seconds: some of these are minutes elsewhere, and the machine may be busy."""

QUEUE = "n8n_scaling_mode_queue_jobs_waiting"

BOUNDS = {
    "open-webui": (2, 10),
    "gateway": (2, 10),
    "n8n-webhook": (2, 10),
    "n8n-worker": (2, 20),
    "qdrant": (2, 5),
}

BY_CPU = ("open-webui", "gateway", "n8n-webhook")
BOTH_WAYS = (*BY_CPU, "n8n-worker")
LEAST = {name: BOUNDS[name][0] for name in BOTH_WAYS}
MOST = {name: BOUNDS[name][1] for name in BOTH_WAYS}


@pytest.fixture(autouse=True)
async def idle(cluster: Cluster, load: Load) -> None:
    """Begin with nothing to do, and the fewest pods."""
    rest(load)
    await until(lambda: scaled(cluster) == LEAST, seconds=PATIENCE, every=0.2)


def rest(load: Load) -> None:
    load.cpu = dict.fromkeys(BY_CPU, 0.1)
    load.memory = {}
    load.external = {QUEUE: 0}


async def peak(cluster: Cluster, load: Load) -> None:
    load.cpu = dict.fromkeys(BY_CPU, 0.9)
    load.external = {QUEUE: 200}
    await until(lambda: scaled(cluster) == MOST, seconds=PATIENCE, every=0.2)


def scaled(cluster: Cluster) -> dict[str, int]:
    """Return how many pods each workload should have that is scaled both ways."""
    replicas = cluster.replicas()
    return {name: replicas[name] for name in BOTH_WAYS}


def test_the_bounds_are_those_of_ecs(cluster: Cluster) -> None:
    found = {name: each.autoscaler["spec"] for name, each in cluster.now().items()}
    assert {name: (spec["minReplicas"], spec["maxReplicas"]) for name, spec in found.items()} == BOUNDS


async def test_cpu_at_ninety_per_cent_makes_the_most_pods_and_no_more(cluster: Cluster, load: Load) -> None:
    await peak(cluster, load)
    # It would like to have more.
    await until(
        lambda: {cluster.now()[name].says("ScalingLimited") for name in BY_CPU} == {"TooManyReplicas"},
        seconds=PATIENCE,
    )
    assert scaled(cluster) == MOST


async def test_two_hundred_jobs_that_wait_make_twenty_workers_and_more_jobs_no_more(
    cluster: Cluster, load: Load
) -> None:
    await peak(cluster, load)
    load.external[QUEUE] = 1000
    await until(
        lambda: cluster.now()["n8n-worker"].says("ScalingLimited") == "TooManyReplicas", seconds=PATIENCE
    )
    assert cluster.replicas()["n8n-worker"] == 20


async def test_ten_jobs_for_each_worker_are_enough(cluster: Cluster, load: Load) -> None:
    load.external[QUEUE] = 50
    await until(lambda: cluster.replicas()["n8n-worker"] == 5, seconds=PATIENCE, every=0.1)


async def test_after_a_peak_pods_are_kept_for_a_while_and_then_taken_away_to_the_fewest(
    cluster: Cluster, load: Load
) -> None:
    await peak(cluster, load)
    rest(load)
    await until(
        lambda: all(
            (each.says("AbleToScale"), each.replicas) == ("ScaleDownStabilized", MOST[name])
            for name, each in cluster.now().items()
            if name in MOST
        ),
        seconds=PATIENCE,
        every=0.1,
    )
    await until(lambda: scaled(cluster) == LEAST, seconds=PATIENCE, every=0.2)


async def test_an_upgrade_in_a_peak_takes_no_pod_away(cluster: Cluster, load: Load) -> None:
    await peak(cluster, load)
    seen = last_scaled(cluster)
    changed = deepcopy(cluster.workloads())
    for item in changed:
        if item["kind"] in ("Deployment", "StatefulSet"):
            item["spec"]["template"]["metadata"]["labels"]["changed"] = "by-an-upgrade"
    cluster.apply(changed)
    assert scaled(cluster) == MOST
    rolled = [f"deployment/{item['metadata']['name']}" for item in changed if item["kind"] == "Deployment"]
    kubectl(cluster.platform.context, "rollout", "status", "--timeout=60s", "-n", cluster.namespace, *rolled)
    assert scaled(cluster) == MOST
    assert last_scaled(cluster) == seen


async def test_while_nobody_knows_the_queue_the_workers_stay_as_many_as_they_were(
    cluster: Cluster, load: Load
) -> None:
    load.external[QUEUE] = 50
    await until(lambda: cluster.replicas()["n8n-worker"] == 5, seconds=PATIENCE, every=0.1)
    del load.external[QUEUE]
    worker = "n8n-worker"
    await until(
        lambda: cluster.now()[worker].says("ScalingActive") == "FailedGetExternalMetric", seconds=PATIENCE
    )
    assert cluster.replicas()[worker] == 5


async def test_three_workers_begin_and_stay_for_the_time_that_any_have(
    platform: Platform, load: Load
) -> None:
    with new_cluster(platform) as cluster:
        cluster.apply([*cluster.workloads(), *start_of_workers(cluster)])
        job = cluster.release.get("Job", "n8n-initial-scale")["metadata"]["name"]
        complete = ("wait", "--for=condition=Complete", "--timeout=30s", f"job/{job}")
        kubectl(platform.context, *complete, "-n", cluster.namespace)
        # Whoever may set the number may do nothing else.
        delete = ("delete", "deployment", f"{RELEASE}-n8n-worker", "-n", cluster.namespace)
        account = f"system:serviceaccount:{cluster.namespace}:{job}"
        with pytest.raises(LocalError, match="forbidden"):
            kubectl(platform.context, f"--as={account}", *delete)
        # Autoscalers look 15 seconds after they were made, so a job of a moment comes first.
        cluster.apply(cluster.autoscalers())
        await until(
            lambda: cluster.now()["n8n-worker"].says("AbleToScale") == "ScaleDownStabilized", seconds=PATIENCE
        )
        assert cluster.replicas()["n8n-worker"] == 3


async def test_qdrant_gets_more_peers_when_memory_runs_out_and_never_loses_one(
    cluster: Cluster, load: Load
) -> None:
    load.memory = {"qdrant": 0.9}
    await until(lambda: cluster.now()["qdrant"].says("ScalingLimited") == "TooManyReplicas", seconds=PATIENCE)
    assert cluster.replicas()["qdrant"] == 5
    load.memory = {"qdrant": 0.1}
    # It would like to have fewer, and may not.
    await until(lambda: cluster.now()["qdrant"].says("ScalingLimited") == "ScaleDownLimit", seconds=PATIENCE)
    assert cluster.replicas()["qdrant"] == 5
    # Whoever has moved the shards away sets the number, and it is kept.
    name = f"{RELEASE}-qdrant"
    kubectl(cluster.platform.context, "scale", "statefulset", name, "-n", cluster.namespace, "--replicas=3")
    await until(
        lambda: cluster.now()["qdrant"].autoscaler["status"]["currentReplicas"] == 3, seconds=PATIENCE
    )
    assert cluster.replicas()["qdrant"] == 3


def last_scaled(cluster: Cluster) -> dict[str, str]:
    return {name: cluster.now()[name].autoscaler["status"]["lastScaleTime"] for name in BOTH_WAYS}


def start_of_workers(cluster: Cluster) -> list[dict[str, object]]:
    return [
        cluster.release.get(kind, "n8n-initial-scale")
        for kind in ("ServiceAccount", "Role", "RoleBinding", "Job")
    ]
