"""n8n keeps nothing, is told alike on all its processes, and its workers follow the queue."""

from typing import Any

import pytest
from n8n_install.environment import ENVIRONMENT
from tenantry_local.parts.n8n import CONCURRENCY, NO_TELEMETRY
from tenantry_local.programs import n8n

from tests.support.charts import Release, render

PROCESSES = ("n8n", "n8n-webhook", "n8n-worker")
PROFILE = "values-eks-prod.yaml"
LONGEST_UPLOAD_SECONDS = 610


@pytest.fixture(scope="module")
def release() -> Release:
    """The chart as it is for production."""
    return render(PROFILE)


def container(release: Release, process: str) -> dict[str, Any]:
    """Return a process' only container."""
    (found,) = release.get("Deployment", process)["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_is_told_what_keeps_it_from_keeping_anything(release: Release, process: str) -> None:
    given = {entry["name"]: entry.get("value") for entry in container(release, process)["env"]}
    assert (NO_TELEMETRY | dict(ENVIRONMENT)).items() <= given.items()
    names = [entry["name"] for entry in container(release, process)["env"]]
    assert len(set(names)) == len(names)


def test_it_is_the_version_that_the_workflows_are_tested_with(release: Release) -> None:
    for process in PROCESSES:
        assert container(release, process)["image"] == f"n8nio/n8n:{n8n.version()}"


def test_each_process_does_its_own_work(release: Release) -> None:
    assert [container(release, process)["args"] for process in PROCESSES] == [
        ["start"],
        ["webhook"],
        ["worker", f"--concurrency={CONCURRENCY}"],
    ]


def test_there_is_one_main_and_the_next_waits_until_it_is_gone(release: Release) -> None:
    spec = release.get("Deployment", "n8n")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_editor_is_reached_from_outside_by_nobody(release: Release) -> None:
    assert release.get("Service", "n8n")["spec"].get("type", "ClusterIP") == "ClusterIP"


@pytest.mark.parametrize("process", ["n8n-webhook", "n8n-worker"])
def test_a_pod_that_is_to_go_finishes_what_it_has_in_hand(release: Release, process: str) -> None:
    pod = release.get("Deployment", process)["spec"]["template"]["spec"]
    given = {entry["name"]: entry.get("value") for entry in container(release, process)["env"]}
    drain = container(release, process)["lifecycle"]["preStop"]["sleep"]["seconds"]
    patience = int(given["N8N_GRACEFUL_SHUTDOWN_TIMEOUT"])
    assert LONGEST_UPLOAD_SECONDS < patience < pod["terminationGracePeriodSeconds"] - drain


def test_workers_follow_the_queue(release: Release) -> None:
    spec = release.get("HorizontalPodAutoscaler", "n8n-worker")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 20)
    (metric,) = spec["metrics"]
    assert metric["external"]["metric"] == {"name": "n8n_scaling_mode_queue_jobs_waiting"}
    waiting, each = 200, int(metric["external"]["target"]["averageValue"])
    assert waiting / each == spec["maxReplicas"]


def test_keda_may_follow_it_instead_with_the_same_bounds(release: Release) -> None:
    with_keda = render(PROFILE, "--set", "n8n.worker.autoscaling.source=keda")
    scaled = with_keda.get("ScaledObject", "n8n-worker")["spec"]
    ours = release.get("HorizontalPodAutoscaler", "n8n-worker")["spec"]
    assert scaled["scaleTargetRef"]["name"] == ours["scaleTargetRef"]["name"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (
        ours["minReplicas"],
        ours["maxReplicas"],
    )
    assert scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == ours["behavior"]
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["listName"] == "bull:jobs:wait"
    scalers = with_keda.of("HorizontalPodAutoscaler")
    assert ours["scaleTargetRef"] not in [item["spec"]["scaleTargetRef"] for item in scalers]


def test_there_are_three_workers_to_begin_with_and_it_is_said_once(release: Release) -> None:
    job = release.get("Job", "n8n-initial-scale")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install"
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"deployment/demo-n8n-worker", "--replicas=3"} <= set(arguments)


def test_who_may_set_that_number_may_nothing_else_and_is_gone_afterwards(release: Release) -> None:
    rules = release.get("Role", "n8n-initial-scale")["rules"]
    assert all(rule["resourceNames"] == ["demo-n8n-worker"] for rule in rules)
    for kind in ("ServiceAccount", "Role", "RoleBinding", "Job"):
        policy = release.get(kind, "n8n-initial-scale")["metadata"]["annotations"][
            "helm.sh/hook-delete-policy"
        ]
        assert "hook-succeeded" in policy


def test_without_another_number_to_begin_with_nobody_sets_one() -> None:
    release = render(PROFILE, "--set", "n8n.worker.autoscaling.initialReplicas=2")
    assert not [item for item in release.objects if item["metadata"]["name"] == "demo-n8n-initial-scale"]


def test_without_n8n_there_is_nothing_of_it() -> None:
    release = render(PROFILE, "--set", "n8n.enabled=false,open-webui.orchestrator=direct")
    assert not [item for item in release.objects if "demo-n8n" in item["metadata"]["name"]]
